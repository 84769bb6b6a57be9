/**
 * The main thread's heap between queries. V8 lets the young part run full before it collects, so a loop over small
 * queries would touch all of its 32 MB, one query's garbage after the other, and let the old part grow by half before
 * it looks. Collecting early costs a millisecond every few queries, and keeps the process at the size that it started
 * with.
 */
import v8 from 'node:v8'
import { garbageCollector } from '@spillway/memory'

const YOUNG_BYTES_MAX = 0.7e6
/** A full collection of a heap up to this size takes some 15 ms. */
const SMALL_HEAP_BYTES = 64e6
const QUERIES_PER_COLLECTION = 64

/** Buffers that the program took and dropped lie outside the heap, so V8 lets tens of megabytes of them gather. */
const TAKEN_BYTES_PER_COLLECTION = 6e6
/**
 * Those that were old enough when they were dropped are freed by a full collection only. A program that keeps what it
 * takes would pay for one again and again, hence the share of what it keeps.
 */
const TAKEN_BYTES_LEFT_MAX = 8e6
const TAKEN_SHARE_LEFT_MAX = 0.25

let queriesSinceCollection = 0
let takenBytes = 0
/** Bytes outside the heap after the last full collection of `trimAfterBatch`: what the program holds, mostly. */
let leftBytes = 0

/** Called after each query. */
export function trimHeap(): void {
  queriesSinceCollection += 1
  const spaces = v8.getHeapSpaceStatistics()
  const used = spaces.reduce((sum, space) => sum + space.space_used_size, 0)
  const young = spaces.find((space) => space.space_name === 'new_space')
  if (queriesSinceCollection >= QUERIES_PER_COLLECTION && used < SMALL_HEAP_BYTES) {
    queriesSinceCollection = 0
    garbageCollector()()
  } else if (young !== undefined && young.space_used_size >= YOUNG_BYTES_MAX) {
    garbageCollector()({ type: 'minor' })
  }
}

/** Called for each batch that a program takes from a stream: most of them are dropped before the next one. */
export function trimAfterBatch(bytes: number): void {
  takenBytes += bytes
  if (takenBytes < TAKEN_BYTES_PER_COLLECTION) return
  takenBytes = 0
  garbageCollector()({ type: 'minor' })
  const external = externalBytes()
  leftBytes = Math.min(leftBytes, external)
  if (external - leftBytes < Math.max(TAKEN_BYTES_LEFT_MAX, leftBytes * TAKEN_SHARE_LEFT_MAX)) return
  garbageCollector()()
  leftBytes = externalBytes()
}

/** Of buffers that hang on the heap: 10 times cheaper than `process.memoryUsage`. */
const externalBytes = (): number => v8.getHeapStatistics().external_memory
