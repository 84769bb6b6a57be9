/** Compiled modules by key: a loop over 1,000 literals compiles once. Least recently used ones go. */
import type { ModuleRef } from '@spillway/scheduler'
import type { PlannedModule } from '../physical/physical-plan.ts'

const MODULES_MAX = 256

export class ModuleCache {
  readonly #modules = new Map<string, WebAssembly.Module>()

  require(planned: PlannedModule): ModuleRef {
    const { key } = planned
    const known = this.#modules.get(key)
    const module = known ?? new WebAssembly.Module(planned.bytes)
    this.#modules.delete(key)
    this.#modules.set(key, module)
    if (this.#modules.size > MODULES_MAX) {
      const oldest = this.#modules.keys().next()
      if (oldest.done !== true) this.#modules.delete(oldest.value)
    }
    return { key, module }
  }

  get size(): number {
    return this.#modules.size
  }
}
