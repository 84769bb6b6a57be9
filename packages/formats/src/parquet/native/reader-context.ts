/** What the parts of a column chunk's reader share: the arena, memory beyond their fixed buffers, and a way to fail. */
import type { KernelExports } from '@spillway/kernels'
import type { SpillwayError } from '@spillway/stdx'
import { corruptError } from '../file-access.ts'
import type { FilePlace } from '../file-access.ts'

/** Memory of the arena that a reader takes when a page or a dictionary exceeds its fixed buffers. */
export interface ChunkMemory {
  /** Address, aligned to 64 bytes, of at least `bytes` bytes. @throws MemoryLimitError MEMORY_LIMIT when refused */
  take(bytes: number): number
  /** Gives back what `take(bytes)` returned. */
  give(address: number, bytes: number): void
}

/** Shared by the parts of one reader. */
export class ReaderContext {
  readonly kernels: KernelExports
  /** The whole arena, which never grows. */
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly chunkMemory: ChunkMemory
  /** Where the reader is, for errors. */
  place: FilePlace = { file: '' }

  constructor(kernels: KernelExports, memory: WebAssembly.Memory, chunkMemory: ChunkMemory) {
    this.kernels = kernels
    this.u8 = new Uint8Array(memory.buffer)
    this.u32 = new Uint32Array(memory.buffer)
    this.chunkMemory = chunkMemory
  }

  /** PARQUET_CORRUPT that names file, row group, column and page. */
  damage(what: string, cause?: unknown): SpillwayError {
    return corruptError(what, this.place, cause)
  }

  /** A u32 word; `address` is a multiple of 4. */
  word(address: number): number {
    return this.u32[address >>> 2] as number
  }

  setWord(address: number, value: number): void {
    this.u32[address >>> 2] = value
  }

  /** A u32 at any address. */
  unalignedWord(address: number): number {
    const { u8 } = this
    const byte = (at: number): number => u8[address + at] as number
    return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0
  }
}

/** A piece of chunk memory that is taken on demand and given back as a whole. */
export class ChunkRegion {
  address = 0
  bytes = 0
  readonly #memory: ChunkMemory

  constructor(memory: ChunkMemory) {
    this.#memory = memory
  }

  /** At least `bytes` bytes; what was in the region before is lost. Returns the address. */
  require(bytes: number): number {
    if (this.bytes >= bytes) return this.address
    this.release()
    this.address = this.#memory.take(bytes)
    this.bytes = bytes
    return this.address
  }

  /** Replaces the region by one that was taken from the same memory. */
  adopt(address: number, bytes: number): void {
    this.release()
    this.address = address
    this.bytes = bytes
  }

  release(): void {
    if (this.bytes > 0) this.#memory.give(this.address, this.bytes)
    this.address = 0
    this.bytes = 0
  }
}
