/**
 * What a worker keeps for its whole life: its kernels' arena, module instances, shared tables.
 */
import v8 from 'node:v8'
import type { SharedTable } from '@spillway/columnar'
import { Arena, type ArenaHandle, type Checksum, type CollectGarbage, garbageCollector } from '@spillway/memory'
import type { ControlBlock, ModuleRef } from '@spillway/scheduler'
import { assert } from '@spillway/stdx'

const INSTANCES_MAX = 256
/** A collection of the whole heap takes 10 ms, and what it forgets of compiled code has to warm up again. */
const HEAP_GROWTH_MAX = 3e6
/** Small queries leave some 20 KB each: they are worth one now and then. */
const QUERIES_PER_COLLECTION = 20
const HEAP_GROWTH_WORTH = 3e5

export class WorkerState {
  readonly worker: number
  readonly control: ControlBlock
  readonly checksum: Checksum
  readonly tables = new Map<number, SharedTable>()
  /** Queries that are open on this worker. */
  openQueries = 0
  /** The least of the open queries', or the last one's. */
  heapSlackBytes = 0
  readonly #collect: CollectGarbage
  #arena: Arena | undefined
  /** By module key, least recently used first. */
  readonly #instances = new Map<string, WebAssembly.Exports>()
  /** Used after the last whole collection. */
  #heapBytes: number
  #queriesSinceCollection = 0

  constructor(worker: number, control: ControlBlock, checksum: Checksum) {
    this.worker = worker
    this.control = control
    this.checksum = checksum
    this.#collect = garbageCollector()
    this.#heapBytes = usedHeapBytes()
  }

  get arena(): Arena {
    assert(this.#arena !== undefined, 'an arena is attached before a query opens')
    return this.#arena
  }

  /** Replaces the arena; instances belong to one memory and go with it. */
  attachArena(handle: ArenaHandle): void {
    this.#arena = undefined
    this.#instances.clear()
    this.#arena = Arena.attach(handle)
  }

  collectGarbage(): void {
    this.#collect()
    this.#heapBytes = usedHeapBytes()
    this.#queriesSinceCollection = 0
  }

  /** Between queries: what steering them left in the heap is worth a collection now and then. */
  trimHeap(): void {
    this.#queriesSinceCollection += 1
    const isDue = this.#queriesSinceCollection >= QUERIES_PER_COLLECTION
    if (isDue && usedHeapBytes() - this.#heapBytes >= HEAP_GROWTH_WORTH) this.collectGarbage()
    else this.limitHeap('morselEnd')
  }

  /**
   * The heap stays within the growth that the budget foresees for a worker. Asked at every step of a pipeline, and at
   * the ends of morsels, where less lives: there it is collected earlier.
   */
  limitHeap(at: 'step' | 'morselEnd'): void {
    const most = at === 'step' ? 2 * HEAP_GROWTH_MAX : HEAP_GROWTH_MAX
    if (usedHeapBytes() - this.#heapBytes >= most + this.heapSlackBytes) this.collectGarbage()
  }

  /** Exports of a module's instance over the present arena. */
  instantiate({ key, module }: ModuleRef): WebAssembly.Exports {
    const known = this.#instances.get(key)
    if (known !== undefined) {
      this.#instances.delete(key)
      this.#instances.set(key, known)
      return known
    }
    const { handle, kernels } = this.arena
    const imports = { env: { memory: handle.memory }, kernel: kernels as unknown as WebAssembly.ModuleImports }
    const { exports } = new WebAssembly.Instance(module, imports)
    this.#instances.set(key, exports)
    if (this.#instances.size > INSTANCES_MAX) {
      const oldest = this.#instances.keys().next()
      if (oldest.done !== true) this.#instances.delete(oldest.value)
    }
    return exports
  }
}

function usedHeapBytes(): number {
  return v8.getHeapStatistics().used_heap_size
}
