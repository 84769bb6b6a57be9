/**
 * Shared words through which the main thread and all workers steer running queries without messages.
 *
 * One SharedArrayBuffer for the engine's life (arenas come and go):
 *
 *   words    Int32    header | per query slot: QUERY_WORDS | per (query slot, worker): LOCAL_WORDS |
 *   counters BigInt64 per query slot: QUERY_COUNTERS
 */
import { assert } from '@spillway/stdx'

/** Queries that one engine runs at a time; more wait at admission. */
export const QUERY_SLOTS = 256
const HEADER_WORDS = 16
const QUERY_WORDS = 16
const LOCAL_WORDS = 2
const QUERY_COUNTERS = 144
/** Slices over several workers or pipelines that one query may have. */
export const SLICE_COUNTERS = 64
/** Outputs of one query that may be files. */
export const OUTPUT_COUNTERS = 32
/** Top-k operators of a query that share a bound. */
export const TOP_COUNTERS = 6
/** Joins of a query whose rows on disk may have a filter. */
export const JOIN_COUNTERS = 16

const header = { wakeEpoch: 0, pressure: 1, faultCounter: 2, residentPages: 3, resultPages: 4 } as const

/** i32 words of a query. */
export const queryWord = {
  /** 1 = every worker lets go of the query at its next batch. */
  cancelled: 0,
  /** Next morsel of the running pipeline, claimed by atomic add. */
  nextMorsel: 1,
  /** Result batches sent and not yet consumed. */
  tokensOut: 2,
  /** Sequence of the morsel whose batches the consumer takes next. */
  nextSequence: 3,
  /** 1 = the consumer waits and has nothing: the holder of nextSequence may pass the token limit. */
  starved: 4,
  /** Promised pages behind published (global) sink state. */
  publishedPages: 5,
  /** Pages of the floor that are still reserved for the query's workers. */
  floorPages: 6,
  /** Rows that the next batch of a stream should have at most; 0 = as many as come. */
  chunkRows: 7,
} as const

/** 64-bit counters of a query. */
export const queryCounter = {
  rowsIn: 0,
  rowsOut: 1,
  bytesRead: 2,
  spilledBytes: 3,
  spillFiles: 4,
  morselsDone: 5,
  /** Bytes of spill files that exist now (quota). */
  spillBytesHeld: 6,
  /** Pages promised for results on their way to the caller. */
  resultPages: 8,
  /** The running bound of top-k i: counter topBound + i. */
  topBound: 10,
  /** Next free byte of the file of output i: counter sinkOffset + i. */
  sinkOffset: 32,
  /** Where the filter of join i stands: counter joinFilter + i. */
  joinFilter: 64,
  /** Rows seen by slice i, in its input's order: counter sliceRows + i. */
  sliceRows: 80,
} as const

const localWord = { usedPages: 0, spillRequest: 1 } as const

export class ControlBlock {
  readonly buffer: SharedArrayBuffer
  readonly workerCount: number
  readonly words: Int32Array
  readonly counters: BigInt64Array
  readonly #localBase: number

  private constructor(buffer: SharedArrayBuffer, workerCount: number) {
    this.buffer = buffer
    this.workerCount = workerCount
    const { words, counters } = layout(workerCount)
    this.words = new Int32Array(buffer, 0, words)
    this.counters = new BigInt64Array(buffer, words * 4, counters)
    this.#localBase = HEADER_WORDS + QUERY_SLOTS * QUERY_WORDS
  }

  static create(workerCount: number): ControlBlock {
    const { words, counters } = layout(workerCount)
    return new ControlBlock(new SharedArrayBuffer(words * 4 + counters * 8), workerCount)
  }

  static attach(buffer: SharedArrayBuffer, workerCount: number): ControlBlock {
    return new ControlBlock(buffer, workerCount)
  }

  // --- waking -----------------------------------------------------------------------------------------------------

  get wakeEpoch(): number {
    return Atomics.load(this.words, header.wakeEpoch)
  }

  /** Wakes every waiting worker: a message was posted, memory was freed, a token came back. */
  wakeWorkers(): void {
    Atomics.add(this.words, header.wakeEpoch, 1)
    Atomics.notify(this.words, header.wakeEpoch)
  }

  /** Blocks this worker until the epoch passes `seenEpoch`, or for `timeoutMs`. Never on the main thread. */
  waitForWake(seenEpoch: number, timeoutMs: number): void {
    Atomics.wait(this.words, header.wakeEpoch, seenEpoch, timeoutMs)
  }

  /** 1 while a query waits for admission: running queries take nothing above their floor. */
  get pressure(): number {
    return Atomics.load(this.words, header.pressure)
  }
  setPressure(level: number): void {
    Atomics.store(this.words, header.pressure, level)
  }

  /** Pages that arena and results together may take now. */
  get residentPages(): number {
    return Atomics.load(this.words, header.residentPages)
  }
  setResidentPages(pages: number): void {
    Atomics.store(this.words, header.residentPages, pages)
  }
  /** Pages of results, over all queries, that lie outside the arena and are with the engine still. */
  get resultPages(): number {
    return Atomics.load(this.words, header.resultPages)
  }
  /** @returns how many there are with these */
  addResultPages(pages: number): number {
    return Atomics.add(this.words, header.resultPages, pages) + pages
  }

  /** The word that counts I/O operations and reservations for fault injection. */
  get faultCounterIndex(): number {
    return header.faultCounter
  }

  // --- queries ----------------------------------------------------------------------------------------------------

  wordIndex(slot: number, word: number): number {
    assert(slot >= 0 && slot < QUERY_SLOTS, 'a query slot exists')
    return HEADER_WORDS + slot * QUERY_WORDS + word
  }
  load(slot: number, word: number): number {
    return Atomics.load(this.words, this.wordIndex(slot, word))
  }
  store(slot: number, word: number, value: number): void {
    Atomics.store(this.words, this.wordIndex(slot, word), value)
  }
  add(slot: number, word: number, value: number): number {
    return Atomics.add(this.words, this.wordIndex(slot, word), value)
  }

  counterIndex(slot: number, counter: number): number {
    return slot * QUERY_COUNTERS + counter
  }
  count(slot: number, counter: number, value: number): number {
    return Number(Atomics.add(this.counters, this.counterIndex(slot, counter), BigInt(value)))
  }
  counted(slot: number, counter: number): number {
    return Number(Atomics.load(this.counters, this.counterIndex(slot, counter)))
  }

  /** Zeroes a slot for a new query. */
  resetSlot(slot: number): void {
    for (let word = 0; word < QUERY_WORDS; word++) this.store(slot, word, 0)
    for (let counter = 0; counter < QUERY_COUNTERS; counter++) {
      Atomics.store(this.counters, this.counterIndex(slot, counter), 0n)
    }
    for (let worker = 0; worker < this.workerCount; worker++) {
      this.setUsedPages(slot, worker, 0)
      this.takeSpillRequest(slot, worker)
    }
  }

  // --- memory of one worker for one query -------------------------------------------------------------------------

  #local(slot: number, worker: number, word: number): number {
    return this.#localBase + (slot * this.workerCount + worker) * LOCAL_WORDS + word
  }
  setUsedPages(slot: number, worker: number, pages: number): void {
    Atomics.store(this.words, this.#local(slot, worker, localWord.usedPages), pages)
  }
  usedPages(slot: number, worker: number): number {
    return Atomics.load(this.words, this.#local(slot, worker, localWord.usedPages))
  }
  /** Pages of a query: what its workers hold, and published state. */
  heldPages(slot: number): number {
    let pages = this.load(slot, queryWord.publishedPages)
    for (let worker = 0; worker < this.workerCount; worker++) pages += this.usedPages(slot, worker)
    return pages
  }
  /** Asks a worker to spill `pages` pages of a query's local state at its next batch. */
  requestSpill(slot: number, worker: number, pages: number): void {
    Atomics.store(this.words, this.#local(slot, worker, localWord.spillRequest), pages)
  }
  /** Reads and clears the request. */
  takeSpillRequest(slot: number, worker: number): number {
    return Atomics.exchange(this.words, this.#local(slot, worker, localWord.spillRequest), 0)
  }

  /**
   * Who holds most pages besides one local: a worker's local state, or a query's published state (any worker of it can
   * spill that). For arbitration after a refusal.
   */
  largestHolder(exceptSlot: number, exceptWorker: number): { slot: number; worker: number; pages: number } {
    let largest = { slot: -1, worker: -1, pages: 0 }
    for (let slot = 0; slot < QUERY_SLOTS; slot++) {
      const published = slot === exceptSlot ? 0 : this.load(slot, queryWord.publishedPages)
      for (let worker = 0; worker < this.workerCount; worker++) {
        if (slot === exceptSlot && worker === exceptWorker) continue
        const pages = Math.max(published, this.usedPages(slot, worker))
        if (pages > largest.pages) largest = { slot, worker, pages }
      }
    }
    return largest
  }
}

function layout(workerCount: number): { words: number; counters: number } {
  const words = HEADER_WORDS + QUERY_SLOTS * QUERY_WORDS + QUERY_SLOTS * workerCount * LOCAL_WORDS
  return { words: words + (words % 2), counters: QUERY_SLOTS * QUERY_COUNTERS }
}
