// Merging: a loser tree over sorted runs of entries (sort-entries.ts). A run lies in pieces; when one ends, the kernel
// stops, is given the next piece of that run, and goes on.
//
//   state   u32 runs | u32 leaves, a power of two ≥ runs | u32 order | u32 bound, 0 = none
//           u32 winner | u32 why it stopped | 8 bytes zero
//           losers: u32 × leaves, padded to 8 bytes
//           heads: { u64 high, u64 low, u32 cursor (0 = the run has ended), u32 end of the piece } × leaves
import { compareSortRows, compareToBound } from './sort-order'

const ENTRY: u32 = 16
const HEAD: u32 = 24
const LEAVES: usize = 4
const ORDER: usize = 8
const BOUND: usize = 12
const WINNER: usize = 16
const STOPPED: usize = 20
const LOSERS: u32 = 32

const IS_FULL: u32 = 0
const PIECE_ENDED: u32 = 1
const AT_BOUND: u32 = 2
const ALL_ENDED: u32 = 3

@inline
function headsOf(state: u32): u32 {
  return state + LOSERS + ((load<u32>(state, LEAVES) * 4 + 7) & ~7)
}

/** Bytes of the state for so many leaves. */
export function mergeStateBytes(leaves: u32): u32 {
  return LOSERS + ((leaves * 4 + 7) & ~7) + leaves * HEAD
}

/** Writes the state's head; all runs have ended until they are given pieces. */
export function mergeInit(state: u32, runs: u32, leaves: u32, order: u32): void {
  store<u32>(state, runs)
  store<u32>(state, leaves, LEAVES)
  store<u32>(state, order, ORDER)
  store<u32>(state, 0, BOUND)
  store<u32>(state, 0, WINNER)
  store<u32>(state, IS_FULL, STOPPED)
  for (let run: u32 = 0; run < leaves; run++) mergeSetPiece(state, run, 0, 0)
}

/** Gives a run its next entries [cursor, end); none end the run. `mergeOpen` or `mergeReplay` must follow. */
export function mergeSetPiece(state: u32, run: u32, cursor: u32, end: u32): void {
  const head = headsOf(state) + run * HEAD
  if (cursor == end) {
    store<u64>(head, ~(<u64>0))
    store<u64>(head, ~(<u64>0), 8)
    store<u32>(head, 0, 16)
    store<u32>(head, 0, 20)
  } else {
    v128.store(head, v128.load(cursor))
    store<u32>(head, cursor, 16)
    store<u32>(head, end, 20)
  }
}

@inline
function isBefore(heads: u32, x: u32, y: u32, order: u32): bool {
  const left = heads + x * HEAD
  const right = heads + y * HEAD
  const leftHigh = load<u64>(left)
  const rightHigh = load<u64>(right)
  if (leftHigh != rightHigh) return leftHigh < rightHigh
  const leftLow = load<u64>(left, 8)
  const rightLow = load<u64>(right, 8)
  if (leftLow >> 32 != rightLow >> 32) return leftLow < rightLow
  return isRowBefore(left, right, order)
}

/** Heads with equal prefixes. */
function isRowBefore(left: u32, right: u32, order: u32): bool {
  if (load<u32>(left, 16) == 0) return false
  if (load<u32>(right, 16) == 0) return true
  return compareSortRows(load<u32>(left, 8), load<u32>(right, 8), order) < 0
}

/** Plays all runs against each other, after their first pieces were set. */
export function mergeOpen(state: u32): void {
  const leaves = load<u32>(state, LEAVES)
  store<u32>(state, leaves == 1 ? 0 : play(state, 1, leaves, headsOf(state), load<u32>(state, ORDER)), WINNER)
}

/** The winner below a node; notes the losers. */
function play(state: u32, node: u32, leaves: u32, heads: u32, order: u32): u32 {
  if (node >= leaves) return node - leaves
  const left = play(state, node << 1, leaves, heads, order)
  const right = play(state, (node << 1) + 1, leaves, heads, order)
  const isLeft = !isBefore(heads, right, left, order)
  store<u32>(state + LOSERS + (node << 2), isLeft ? right : left)
  return isLeft ? left : right
}

/** Plays the winner's run again, after its head has changed. */
export function mergeReplay(state: u32): void {
  replay(state, load<u32>(state, LEAVES), headsOf(state), load<u32>(state, ORDER))
}

@inline
function replay(state: u32, leaves: u32, heads: u32, order: u32): void {
  let winner = load<u32>(state, WINNER)
  let high = load<u64>(heads + winner * HEAD)
  let low = load<u32>(heads + winner * HEAD, 12)
  for (let node = (winner + leaves) >> 1; node >= 1; node >>= 1) {
    const slot = state + LOSERS + (node << 2)
    const other = load<u32>(slot)
    const head = heads + other * HEAD
    const otherHigh = load<u64>(head)
    const otherLow = load<u32>(head, 12)
    let isOther = u32(otherHigh < high) | (u32(otherHigh == high) & u32(otherLow < low))
    if (otherHigh == high && otherLow == low) isOther = u32(isRowBefore(head, heads + winner * HEAD, order))
    // Who wins is a coin toss that no branch predictor foresees: masks exchange the two.
    const mask = 0 - isOther
    const exchange = (winner ^ other) & mask
    store<u32>(slot, other ^ exchange)
    winner ^= exchange
    high ^= (high ^ otherHigh) & (0 - <u64>isOther)
    low ^= (low ^ otherLow) & mask
  }
  store<u32>(state, winner, WINNER)
}

/**
 * Merges on until `count` rows are out, the winner's piece ends, the bound is reached, or all runs have ended; the
 * state says which. After the end of a piece, mergeSetPiece and mergeReplay must follow for the winner.
 * @param out u32 × count: the addresses of the rows
 * @returns rows written
 */
export function mergeRows(state: u32, out: u32, count: u32): u32 {
  const leaves = load<u32>(state, LEAVES)
  const order = load<u32>(state, ORDER)
  const bound = load<u32>(state, BOUND)
  const heads = headsOf(state)
  const boundHigh = bound == 0 ? ~(<u64>0) : load<u64>(bound)
  const boundLow = bound == 0 ? 0 : load<u64>(bound, 8)
  let n: u32 = 0
  let stopped = IS_FULL
  while (n < count) {
    const head = heads + load<u32>(state, WINNER) * HEAD
    const cursor = load<u32>(head, 16)
    if (cursor == 0) {
      stopped = ALL_ENDED
      break
    }
    const high = load<u64>(head)
    if (high >= boundHigh && bound != 0) {
      const low = load<u64>(head, 8)
      const isTie = high == boundHigh && low >> 32 == boundLow >> 32
      const isBelow = high == boundHigh && low >> 32 < boundLow >> 32
      if (isTie ? compareToBound(<u32>low, bound, order) >= 0 : !isBelow) {
        stopped = AT_BOUND
        break
      }
    }
    store<u32>(out + (n << 2), load<u32>(head, 8))
    n++
    const next = cursor + ENTRY
    if (next == load<u32>(head, 20)) {
      store<u32>(head, next, 16)
      stopped = PIECE_ENDED
      break
    }
    v128.store(head, v128.load(next))
    store<u32>(head, next, 16)
    replay(state, leaves, heads, order)
  }
  store<u32>(state, stopped, STOPPED)
  return n
}
