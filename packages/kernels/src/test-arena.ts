/**
 * A small arena for tests of kernels, generated code and operators.
 */
import { instantiateKernels, type KernelExports, kernelsModule } from './load-kernels.ts'

export interface TestArena {
  readonly memory: WebAssembly.Memory
  readonly kernels: KernelExports
  /** Views of the whole arena; it never grows, so they never become stale. */
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly dataView: DataView
}

/** Makes an arena of `pageCount` pages of 64 KiB. Some are its own; all others may be allocated and reserved. */
export function createTestArena(pageCount: number): TestArena {
  const memory = new WebAssembly.Memory({ initial: pageCount, maximum: pageCount, shared: true })
  const kernels = instantiateKernels(kernelsModule(), memory)
  kernels.arenaInit(pageCount)
  return {
    memory,
    kernels,
    u8: new Uint8Array(memory.buffer),
    u32: new Uint32Array(memory.buffer),
    dataView: new DataView(memory.buffer),
  }
}
