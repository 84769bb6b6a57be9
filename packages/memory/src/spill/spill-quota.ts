/**
 * The limit on bytes in spill files, shared by all workers of an engine, and the counters that are reported.
 *
 * Space is charged before it is written and released when the file is removed or the write fails, so the counter is
 * never below what lies on the disk by more than a failed write that could not be undone.
 */
import { assert, makeError } from '@spillway/stdx'
import { formatBytes } from '../byte-size.ts'

const slot = { limit: 0, used: 1, peak: 2, written: 3, read: 4 } as const
const SLOTS = 5

export interface SpillUsage {
  /** Bytes in spill files now. */
  readonly usedBytes: number
  readonly peakBytes: number
  /** Bytes ever written and read, footers included: the base of the amplification that is reported. */
  readonly writtenBytes: number
  readonly readBytes: number
}

/** The shared words behind a quota; hand them to each worker's `SpillQuota`. */
export function makeSpillQuota(maxSpillBytes: number): SharedArrayBuffer {
  assert(maxSpillBytes >= 0, 'a spill limit is not negative')
  const words = new SharedArrayBuffer(SLOTS * 8)
  new BigInt64Array(words)[slot.limit] = BigInt(Math.floor(Math.min(maxSpillBytes, Number.MAX_SAFE_INTEGER)))
  return words
}

export class SpillQuota {
  readonly #words: BigInt64Array

  constructor(words: SharedArrayBuffer) {
    this.#words = new BigInt64Array(words)
  }

  /** Takes `bytes` of the limit. @throws SpillDiskFullError naming maxSpillBytes when they do not fit. */
  charge(bytes: number, path: string): void {
    assert(bytes >= 0, 'charged bytes are not negative')
    const used = Atomics.add(this.#words, slot.used, BigInt(bytes)) + BigInt(bytes)
    const limit = Atomics.load(this.#words, slot.limit)
    if (used > limit) {
      Atomics.sub(this.#words, slot.used, BigInt(bytes))
      const usedBefore = Number(used) - bytes
      throw makeError(
        'SPILL_DISK_FULL',
        `Spill limit reached: ${formatBytes(bytes)} more would exceed maxSpillBytes = ${formatBytes(Number(limit))} ` +
          `(${formatBytes(usedBefore)} used). Raise maxSpillBytes or the memory limit.`,
        { path, bytes, usedBytes: usedBefore, maxSpillBytes: Number(limit) },
      )
    }
    this.#raisePeak(used)
  }

  release(bytes: number): void {
    assert(bytes >= 0, 'released bytes are not negative')
    const before = Atomics.sub(this.#words, slot.used, BigInt(bytes))
    assert(before >= BigInt(bytes), 'no more spill bytes are released than were charged')
  }

  countWritten(bytes: number): void {
    Atomics.add(this.#words, slot.written, BigInt(bytes))
  }

  countRead(bytes: number): void {
    Atomics.add(this.#words, slot.read, BigInt(bytes))
  }

  usage(): SpillUsage {
    const load = (index: number): number => Number(Atomics.load(this.#words, index))
    return {
      usedBytes: load(slot.used),
      peakBytes: load(slot.peak),
      writtenBytes: load(slot.written),
      readBytes: load(slot.read),
    }
  }

  #raisePeak(used: bigint): void {
    let peak = Atomics.load(this.#words, slot.peak)
    while (used > peak) {
      const seen = Atomics.compareExchange(this.#words, slot.peak, peak, used)
      if (seen === peak) return
      peak = seen
    }
  }
}
