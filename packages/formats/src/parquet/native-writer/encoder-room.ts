/**
 * What encoding is lent: the arena, fixed buffers that are counted before the query starts, and pages for what is
 * already compressed. The chain of such pages holds a column chunk until its row group ends.
 */
import { type KernelExports, PAGE_BYTES } from '@spillway/kernels'
import { assert } from '@spillway/stdx'

export interface EncoderArena {
  readonly kernels: KernelExports
  readonly u8: Uint8Array
  readonly u32: Uint32Array
}

/** Counts buffers, as `Workspace` will cut them. */
export interface BufferCount {
  add(bytes: number): unknown
}

/** Cuts buffers: 64-byte aligned, usable 64 bytes past their end. */
export interface BufferSource {
  take(bytes: number): number
}

/** Pages of 64 KiB; `take` returns 0 when it is refused. */
export interface PageSource {
  take(count: number): number
  give(address: number, count: number): void
}

/** Addresses of two runs of adjacent pages, 0 = none. */
export interface LongRoom {
  readonly plain: number
  readonly plainPages: number
  readonly packed: number
  readonly packedPages: number
}
const NO_LONG: LongRoom = { plain: 0, plainPages: 0, packed: 0, packedPages: 0 }

/** Pages that were granted and are not in use yet: asked for before a batch, so that nothing is refused within it. */
export class PagePool {
  readonly #source: PageSource
  readonly #free: number[] = []
  #usedPages = 0
  #long: LongRoom = NO_LONG

  constructor(source: PageSource) {
    this.#source = source
  }

  /** Pages of this pool, free or handed on. */
  get heldPages(): number {
    return this.#usedPages + this.#free.length
  }

  /** True when `pages` pages can be taken without asking. A refusal leaves none: others may need them. */
  ensure(pages: number): boolean {
    while (this.#free.length < pages) {
      const address = this.#source.take(1)
      if (address === 0) {
        this.trim(0)
        return false
      }
      this.#free.push(address)
    }
    return true
  }

  take(): number {
    const address = this.#free.pop()
    assert(address !== undefined, 'pages are ensured before they are needed')
    this.#usedPages += 1
    return address
  }

  /** Runs of adjacent pages for a value that is longer than a page: as it is, and compressed. */
  get long(): LongRoom {
    return this.#long
  }

  /** True when there are such runs until `endLong`; 0 pages are not asked for. A refusal leaves no pages here. */
  ensureLong(plainPages: number, packedPages: number): boolean {
    this.endLong()
    if (plainPages === 0) return true
    const plain = this.#source.take(plainPages)
    const packed = plain === 0 || packedPages === 0 ? 0 : this.#source.take(packedPages)
    this.#long = { plain, plainPages, packed, packedPages }
    if (plain !== 0 && (packed !== 0 || packedPages === 0)) return true
    this.endLong()
    this.trim(0)
    return false
  }

  endLong(): void {
    const { plain, plainPages, packed, packedPages } = this.#long
    if (plain !== 0) this.#source.give(plain, plainPages)
    if (packed !== 0) this.#source.give(packed, packedPages)
    this.#long = NO_LONG
  }

  giveBack(pages: readonly number[]): void {
    this.#usedPages -= pages.length
    for (const page of pages) this.#source.give(page, 1)
  }

  /** Gives back what is free, but for `kept` pages. */
  trim(kept: number): void {
    for (const page of this.#free.splice(kept)) this.#source.give(page, 1)
  }
}

/** Bytes in the order of a file, in pages of the arena that need not be adjacent. */
export class PageChain {
  readonly #arena: EncoderArena
  readonly #pool: PagePool
  readonly #pages: number[] = []
  #bytes = 0

  constructor(arena: EncoderArena, pool: PagePool) {
    this.#arena = arena
    this.#pool = pool
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Pages that `bytes` more bytes take. */
  pagesFor(bytes: number): number {
    return Math.max(0, Math.ceil((this.#bytes + bytes) / PAGE_BYTES) - this.#pages.length)
  }

  append(source: number, bytes: number): void {
    // A kernel's copy is some times faster than that of a typed array over shared memory.
    this.#spread(bytes, (done, at, part) => this.#arena.kernels.copyBytes(source + done, part, at))
  }

  appendBytes(source: Uint8Array): void {
    this.#spread(source.length, (done, at, part) => this.#arena.u8.set(source.subarray(done, done + part), at))
  }

  #spread(bytes: number, move: (done: number, at: number, part: number) => void): void {
    for (let done = 0; done < bytes; ) {
      const within = this.#bytes % PAGE_BYTES
      if (within === 0 && this.#bytes === this.#pages.length * PAGE_BYTES) this.#pages.push(this.#pool.take())
      const page = this.#pages[this.#pages.length - 1] ?? 0
      const part = Math.min(bytes - done, PAGE_BYTES - within)
      move(done, page + within, part)
      done += part
      this.#bytes += part
    }
  }

  /** The bytes, piece by piece. */
  pieces(): Uint8Array[] {
    return this.#pages.map((page, index) => {
      const length = Math.min(PAGE_BYTES, this.#bytes - index * PAGE_BYTES)
      return this.#arena.u8.subarray(page, page + length)
    })
  }

  clear(): void {
    this.#pool.giveBack(this.#pages)
    this.#pages.length = 0
    this.#bytes = 0
  }
}
