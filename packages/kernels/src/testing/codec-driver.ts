/**
 * Runs a streaming decompressor as its callers do, in the least convenient way: input in pieces at changing addresses,
 * the last of them ending with the memory (reading more than 16 bytes past the input would trap), a small window
 * of output that is slid down, guard bytes around all that may be written.
 */
import { codecState, codecStep } from '../parquet-codec-kernels.ts'
import type { TestArena } from '../test-arena.ts'

export interface StreamingCodec {
  readonly stateBytes: () => number
  readonly begin: (state: number, uncompressedBytes: number) => void
  readonly step: (state: number) => number
}

export interface DriverOptions {
  /** Size of the next piece of input; pieces may be empty. Absent = all at once. */
  readonly nextPiece?: () => number
  /** Bytes of output between two slides, and how many older ones stay. Absent = room for all. */
  readonly roomBytes?: number
  readonly historyBytes?: number
  /** Bytes in the window that were there before the stream began. Only with historyBytes. */
  readonly foreignBytes?: number
}

export interface DriverResult {
  /** done, corrupt or windowTooSmall. */
  readonly result: number
  readonly bytes: Uint8Array
}

const GUARD = 0xa5
const GUARD_BYTES = 256
/** Bytes past outEnd that a kernel may clobber. */
const SLACK_BYTES = 64

/** The arena's last 1 MiB is input; the MiB before it holds the state; output begins at `outputAddress`. */
export function runCodec(
  arena: TestArena,
  codec: StreamingCodec,
  stream: Uint8Array,
  total: number,
  options: DriverOptions = {},
): DriverResult {
  const { u8, u32 } = arena
  const state = u8.length - 2 * 1048576
  const word = state >>> 2
  const get = (offset: number) => u32[word + (offset >>> 2)]!
  const set = (offset: number, value: number) => {
    u32[word + (offset >>> 2)] = value
  }
  const {
    roomBytes = Math.max(total, 1),
    historyBytes = 0,
    nextPiece = () => stream.length,
    foreignBytes = 0,
  } = options
  const output = 2 * 1048576 + GUARD_BYTES
  const outEnd = output + historyBytes + roomBytes
  u8.fill(GUARD, output - GUARD_BYTES, output)
  u8.fill(GUARD, outEnd + SLACK_BYTES, outEnd + SLACK_BYTES + GUARD_BYTES)
  u8.fill(0, state, state + codec.stateBytes())
  u8.fill(GUARD, state + codec.stateBytes(), state + codec.stateBytes() + 64)
  const guards = [output - GUARD_BYTES, outEnd + SLACK_BYTES, state + codec.stateBytes()] as const
  codec.begin(state, total)
  set(codecState.windowStart, output)
  set(codecState.outCursor, output + foreignBytes)
  set(codecState.outEnd, outEnd)

  const bytes = new Uint8Array(total)
  let [fed, collected, start, unread] = [0, 0, output + foreignBytes, new Uint8Array(0)]
  const feed = () => {
    const piece = Math.min(nextPiece(), stream.length - fed)
    const end = u8.length - 16
    const begin = end - piece - unread.length
    u8.set(unread, begin)
    u8.set(stream.subarray(fed, fed + piece), begin + unread.length)
    fed += piece
    set(codecState.inCursor, begin)
    set(codecState.inEnd, end)
    set(codecState.isLast, fed === stream.length ? 1 : 0)
  }
  feed()
  for (let round = 0; round < 8 * (stream.length + total) + 100; round++) {
    const result = codec.step(state)
    const cursor = get(codecState.outCursor)
    if (cursor > outEnd || cursor < start || collected + cursor - start > total) throw new RangeError('outCursor')
    bytes.set(u8.subarray(start, cursor), collected)
    collected += cursor - start
    start = cursor
    checkGuards(u8, guards)
    if (result === codecStep.needInput) {
      if (get(codecState.isLast) === 1) throw new RangeError('needs input after the last')
      unread = u8.slice(get(codecState.inCursor), get(codecState.inEnd))
      if (unread.length > 300) throw new RangeError('too much was left unread')
      feed()
    } else if (result === codecStep.outputFull) {
      if (outEnd - cursor > SLACK_BYTES) throw new RangeError('the room was not used')
      const kept = Math.min(historyBytes, cursor - output)
      u8.copyWithin(output, cursor - kept, cursor)
      start = output + kept
      set(codecState.outCursor, start)
    } else return { result, bytes: bytes.subarray(0, collected) }
  }
  throw new RangeError('the decompressor loops')
}

function checkGuards(u8: Uint8Array, guards: readonly [before: number, after: number, state: number]): void {
  const [before, after, state] = guards
  for (let i = 0; i < GUARD_BYTES; i++) {
    if (u8[before + i] !== GUARD || u8[after + i] !== GUARD) throw new RangeError('written outside of the output')
  }
  for (let i = 0; i < 64; i++) if (u8[state + i] !== GUARD) throw new RangeError('written outside of the state')
}
