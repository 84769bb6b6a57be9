/** Byte arrays that share their beginning with the one before: they are put together in a heap. */
import { sharedStringsState } from '@spillway/kernels'
import type { DeltaStream } from './delta-decoders.ts'
import type { PageWindow } from './page-window.ts'
import { ChunkRegion } from './reader-context.ts'
import type { ReaderContext } from './reader-context.ts'
import type { ByteArrayResult } from './string-decoders.ts'
import type { ValueDecoder } from './value-decoder.ts'
import { ENDS_EARLY } from './value-decoder.ts'

const HEAP_BYTES = 128 * 1024
/** In front of the heap (a view is made from four bytes before its string) and behind it (words are copied). */
const MARGIN_BYTES = 16

export class SharedStringsDecoder implements ValueDecoder {
  readonly #context: ReaderContext
  readonly #window: PageWindow
  readonly #stream: DeltaStream
  readonly #state: number
  readonly #result: ByteArrayResult
  readonly #shared: ChunkRegion
  readonly #rests: ChunkRegion
  readonly #heap: ChunkRegion
  #count = 0
  #first = 0

  /** @param state 32 bytes */
  constructor(context: ReaderContext, window: PageWindow, stream: DeltaStream, state: number, result: ByteArrayResult) {
    this.#context = context
    this.#window = window
    this.#stream = stream
    this.#state = state
    this.#result = result
    this.#shared = new ChunkRegion(context.chunkMemory)
    this.#rests = new ChunkRegion(context.chunkMemory)
    this.#heap = new ChunkRegion(context.chunkMemory)
  }

  begin(values: number): void {
    this.#first = 0
    this.#count = this.#stream.readAll(values, this.#shared)
    if (this.#stream.readAll(values, this.#rests) !== this.#count) {
      throw this.#context.damage('strings have more beginnings than ends')
    }
    this.#context.u8.fill(0, this.#state, this.#state + 32)
    this.#openHeap(HEAP_BYTES)
  }

  /** Empties the heap, but for the last string, and gives it at least `bytes` bytes of room behind that. */
  #openHeap(bytes: number): void {
    const context = this.#context
    const before = context.word(this.#state + sharedStringsState.before)
    const length = context.word(this.#state + sharedStringsState.beforeLength)
    const needs = bytes + length + 2 * MARGIN_BYTES
    if (needs <= this.#heap.bytes) {
      context.kernels.copyBytes(before, length, this.#heap.address + MARGIN_BYTES)
    } else {
      const address = context.chunkMemory.take(needs)
      context.kernels.copyBytes(before, length, address + MARGIN_BYTES)
      this.#heap.adopt(address, needs)
    }
    const start = this.#heap.address + MARGIN_BYTES
    context.setWord(this.#state + sharedStringsState.before, start)
    context.setWord(this.#state + sharedStringsState.heap, start + length)
    context.setWord(this.#state + sharedStringsState.heapEnd, this.#heap.address + this.#heap.bytes - MARGIN_BYTES)
  }

  ready(wanted: number): number {
    const context = this.#context
    const window = this.#window
    if (this.#first + wanted > this.#count) throw context.damage(ENDS_EARLY)
    const shared = this.#shared.address + this.#first * 4
    const rests = this.#rests.address + this.#first * 4
    const length = context.word(this.#state + sharedStringsState.beforeLength)
    const size = context.word(shared) + context.word(rests)
    if (context.word(shared) > length || context.word(rests) > window.bytesLeft) throw context.damage(ENDS_EARLY)
    this.#openHeap(Math.max(size, HEAP_BYTES - length))
    const room =
      context.word(this.#state + sharedStringsState.heapEnd) - context.word(this.#state + sharedStringsState.heap)
    for (;;) {
      const there = window.end - window.cursor
      const fits = context.kernels.sharedStringsFit(shared, rests, wanted, room, there)
      if (fits === wanted || window.isComplete || (fits > 0 && !window.hasRoom)) {
        if (fits === 0) throw context.damage(ENDS_EARLY)
        return fits
      }
      window.more()
    }
  }

  decode(count: number, target: number): void {
    for (let done = 0; done < count; ) {
      const values = this.#result.isDecimal ? this.ready(count - done) : count
      this.#build(values, target + done * 16)
      this.#result.finish(
        target + done * 16,
        values,
        this.#context.word(this.#state + sharedStringsState.hasHighBytes) !== 0,
      )
      done += values
    }
  }

  #build(count: number, target: number): void {
    const context = this.#context
    const window = this.#window
    if (this.#first + count > this.#count) throw context.damage(ENDS_EARLY)
    context.setWord(this.#state + sharedStringsState.cursor, window.cursor)
    context.setWord(this.#state + sharedStringsState.end, window.end)
    context.setWord(this.#state + sharedStringsState.hasHighBytes, 0)
    const shared = this.#shared.address + this.#first * 4
    const rests = this.#rests.address + this.#first * 4
    if (context.kernels.sharedStrings(this.#state, shared, rests, count, target) === 0) {
      throw context.damage(ENDS_EARLY)
    }
    window.cursor = context.word(this.#state + sharedStringsState.cursor)
    this.#first += count
  }

  skip(count: number): void {
    for (let done = 0; done < count; ) {
      const values = this.ready(count - done)
      this.#build(values, 0)
      done += values
    }
  }

  release(): void {
    this.#shared.release()
    this.#rests.release()
    this.#heap.release()
  }
}
