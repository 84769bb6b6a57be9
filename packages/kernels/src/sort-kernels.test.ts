/** Sorting and merging of rows with normalised keys against Array.sort, on all lengths 0 … 130 and some large ones. */
import { describe, expect, it } from 'vitest'
import { SORT_ENTRY_BYTES, SORT_HISTOGRAM_BYTES, mergeState, mergeStopped } from './sort-kernels.ts'
import { createTestArena } from './test-arena.ts'

const { kernels, u8, u32, dataView } = createTestArena(1024)
const take = (bytes: number): number => kernels.pageAlloc(1, Math.ceil(bytes / 65536)) >>> 0
const ROWS_MAX = 40_000
const ROW_BYTES = 64
const rows = take(ROWS_MAX * ROW_BYTES)
const heap = take(ROWS_MAX * 64)
const entries = take(ROWS_MAX * SORT_ENTRY_BYTES)
const scratch = take(ROWS_MAX * SORT_ENTRY_BYTES)
const histograms = take(SORT_HISTOGRAM_BYTES)
const order = take(4096)
const bound = order + 1024
const state = order + 2048
const out = take(ROWS_MAX * 4)

let seed = 1
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

/** The words of a key, and its string if one stands in words 1 and 2. */
interface Row {
  readonly words: readonly bigint[]
  readonly text: Uint8Array | undefined
}

interface Shape {
  readonly name: string
  readonly words: number
  readonly text: 'none' | 'ascending' | 'descending'
  readonly word: () => bigint
  readonly bytes?: () => Uint8Array
}

const wide = (): bigint => (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32))
const textOf = (alphabet: number, length: number, prefix = ''): Uint8Array =>
  Uint8Array.from([...Buffer.from(prefix), ...Array.from({ length: random(length + 1) }, () => random(alphabet))])

const shapes: readonly Shape[] = [
  { name: 'one random word', words: 1, text: 'none', word: wide },
  { name: 'three random words', words: 3, text: 'none', word: wide },
  { name: 'few values', words: 3, text: 'none', word: () => BigInt(random(3)) },
  { name: 'one value', words: 2, text: 'none', word: () => 7n },
  { name: 'bytes in the middle differ', words: 4, text: 'none', word: () => BigInt(random(4)) << 28n },
  { name: 'short text', words: 4, text: 'ascending', word: () => BigInt(random(2)), bytes: () => textOf(2, 12) },
  { name: 'long text', words: 4, text: 'ascending', word: () => 1n, bytes: () => textOf(2, 40, 'https://www.') },
  {
    name: 'long text descending',
    words: 4,
    text: 'descending',
    word: () => BigInt(random(3)),
    bytes: () => textOf(3, 30, 'a prefix that is longer'),
  },
]

const mask = (1n << 64n) - 1n

function textWords(bytes: Uint8Array, descending: boolean): readonly [bigint, bigint] {
  let value = 0n
  for (let index = 0; index < 12; index++) value = (value << 8n) | BigInt(bytes[index] ?? 0)
  const marked = (value << 32n) | BigInt(Math.min(bytes.length, 13))
  const both = descending ? ~marked & ((1n << 128n) - 1n) : marked
  return [both >> 64n, both & mask]
}

function makeRow(shape: Shape): Row {
  const text = shape.bytes?.()
  const words = Array.from({ length: shape.words }, () => shape.word())
  if (text !== undefined) [words[1], words[2]] = textWords(text, shape.text === 'descending')
  return { words, text }
}

/** Key words, ordinal, view, at row `index` of the arena. */
function writeRow(row: Row, shape: Shape, index: number): void {
  const address = rows + index * ROW_BYTES
  for (const [position, word] of row.words.entries()) dataView.setBigUint64(address + position * 8, word, true)
  dataView.setBigUint64(address + shape.words * 8, BigInt(index), true)
  if (row.text === undefined) return
  const view = address + 40
  u8.fill(0, view, view + 16)
  dataView.setUint32(view, row.text.length, true)
  u8.set(row.text.subarray(0, 12), view + 4)
  if (row.text.length <= 12) return
  u8.set(row.text, heap + index * 64)
  u8.fill(0, view + 8, view + 16)
  dataView.setUint32(view + 8, heap + index * 64, true)
}

function writeOrder(shape: Shape): void {
  const descending = shape.text === 'descending'
  const segments = [
    ...(shape.text === 'none' ? [] : [[3, 40, descending ? 255 - 13 : 13, descending ? 1 : 0]]),
    [shape.words + 1, 0, 0, 0],
  ]
  u32.set([segments.length, 0, 0, 0, ...segments.flat()], order >>> 2)
}

function compareTwin(a: Row, b: Row, shape: Shape): number {
  for (let index = 0; index < shape.words; index++) {
    const [x, y] = [a.words[index] as bigint, b.words[index] as bigint]
    if (x !== y) return x < y ? -1 : 1
    if (index !== 2 || a.text === undefined || b.text === undefined) continue
    const result = Buffer.compare(a.text, b.text)
    if (result !== 0) return shape.text === 'descending' ? -result : result
  }
  return 0
}

function makeRows(shape: Shape, count: number): Row[] {
  const made = Array.from({ length: count }, () => makeRow(shape))
  for (const [index, row] of made.entries()) writeRow(row, shape, index)
  writeOrder(shape)
  return made
}

/** Indices in order; ties by index. */
const sortedTwin = (made: readonly Row[], shape: Shape): number[] =>
  made.map((_, index) => index).sort((a, b) => compareTwin(made[a] as Row, made[b] as Row, shape) || a - b)

const rowsOf = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => ((u32[(first >>> 2) + index * 4 + 2] as number) - rows) / ROW_BYTES)

function sortAll(count: number): void {
  kernels.fillSortEntries(rows, count, ROW_BYTES, entries)
  kernels.sortEntries(entries, scratch, count, histograms, order)
}

/** Every entry still has the first twelve bytes of its row's key. */
function prefixesHold(count: number): boolean {
  for (let index = 0; index < count; index++) {
    const entry = entries + index * SORT_ENTRY_BYTES
    const row = dataView.getUint32(entry + 8, true)
    if (dataView.getBigUint64(entry, true) !== dataView.getBigUint64(row, true)) return false
    if (dataView.getUint32(entry + 12, true) !== dataView.getUint32(row + 12, true)) return false
  }
  return true
}

describe('sortEntries', () => {
  for (const shape of shapes) {
    it(shape.name, () => {
      for (const count of [...Array.from({ length: 131 }, (_, index) => index), 300, 5000, 33_000]) {
        const made = makeRows(shape, count)
        sortAll(count)
        expect(rowsOf(entries, count)).toEqual(sortedTwin(made, shape))
        expect(prefixesHold(count)).toBe(true)
      }
    })
  }

  it('goes by ordinals that did not come in order', () => {
    for (const shape of shapes) {
      const made = makeRows(shape, 3000)
      kernels.fillSortEntries(rows, 3000, ROW_BYTES, entries)
      for (let index = 2999; index > 0; index--) {
        const [a, b] = [index, random(index + 1)].map((each) => entries + each * SORT_ENTRY_BYTES) as [number, number]
        u8.copyWithin(scratch, a, a + SORT_ENTRY_BYTES)
        u8.copyWithin(a, b, b + SORT_ENTRY_BYTES)
        u8.copyWithin(b, scratch, scratch + SORT_ENTRY_BYTES)
      }
      kernels.sortEntries(entries, scratch, 3000, histograms, order)
      expect(rowsOf(entries, 3000)).toEqual(sortedTwin(made, shape))
      expect(prefixesHold(3000)).toBe(true)
    }
  })

  it('goes on to where texts differ that agree for a megabyte', () => {
    const shape = shapes.find(({ name }) => name === 'long text') as Shape
    const common = 'https://www.'.padEnd(600_000, 'x')
    const texts = ['b', 'a', 'b', 'ab'].map((end) => Buffer.from(common + end))
    const [first, second] = textWords(texts[0] as Buffer, false)
    for (const index of texts.keys()) {
      writeRow({ words: [1n, first, second, 1n], text: new Uint8Array(13) }, shape, index)
    }
    texts.forEach((text, index) => {
      const at = heap + index * 600_016
      u8.set(text, at)
      dataView.setUint32(rows + index * ROW_BYTES + 40, text.length, true)
      u8.set(text.subarray(0, 4), rows + index * ROW_BYTES + 44)
      dataView.setUint32(rows + index * ROW_BYTES + 48, at, true)
    })
    writeOrder(shape)
    sortAll(4)
    expect(rowsOf(entries, 4)).toEqual([1, 3, 0, 2])
    expect(prefixesHold(4)).toBe(true)
  })

  it('finds the first row that is not below a bound', () => {
    for (const shape of shapes) {
      const made = makeRows(shape, 100)
      sortAll(100)
      const sorted = sortedTwin(made, shape)
      for (const [position, index] of sorted.entries()) {
        u8.copyWithin(bound, rows + index * ROW_BYTES, rows + index * ROW_BYTES + (shape.words + 1) * 8)
        const below = kernels.entriesBelow(entries, 100, bound, order)
        // Before a long string the bound stands at the first row whose words agree with it.
        const isLong = ((made[index] as Row).text?.length ?? 0) > 12
        const same = (other: number): boolean =>
          [0, 1, 2].every((word) => (made[other] as Row).words[word] === (made[index] as Row).words[word])
        expect(below).toBe(isLong ? sorted.findIndex(same) : position)
      }
    }
  })

  it('compares rows', () => {
    for (const shape of shapes) {
      const made = makeRows(shape, 60)
      for (let a = 0; a < 60; a++) {
        for (let b = 0; b < 60; b++) {
          const expected = Math.sign(compareTwin(made[a] as Row, made[b] as Row, shape) || a - b)
          expect(kernels.compareSortRows(rows + a * ROW_BYTES, rows + b * ROW_BYTES, order)).toBe(expected)
        }
      }
    }
  })
})

/** Merges runs whose entries stand behind one another, in pieces of `pieceRows`, `batch` rows a time. */
function mergeRuns(runs: readonly (readonly [number, number])[], pieceRows: number, batch: number): number[] {
  let leaves = 1
  while (leaves < runs.length) leaves *= 2
  kernels.mergeInit(state, runs.length, leaves, order)
  const next = runs.map(([start]) => start)
  const setPiece = (run: number): void => {
    const start = next[run] as number
    const end = Math.min(start + pieceRows, (runs[run] as readonly [number, number])[1])
    next[run] = end
    kernels.mergeSetPiece(state, run, entries + start * SORT_ENTRY_BYTES, entries + end * SORT_ENTRY_BYTES)
  }
  for (const run of runs.keys()) setPiece(run)
  kernels.mergeOpen(state)
  const merged: number[] = []
  for (;;) {
    const n = kernels.mergeRows(state, out, batch)
    for (let index = 0; index < n; index++) merged.push(((u32[(out >>> 2) + index] as number) - rows) / ROW_BYTES)
    const stopped = dataView.getUint32(state + mergeState.stopped, true)
    if (stopped === mergeStopped.pieceEnded) {
      setPiece(dataView.getUint32(state + mergeState.winner, true))
      kernels.mergeReplay(state)
    } else if (stopped !== mergeStopped.isFull) return merged
  }
}

describe('merge', () => {
  for (const shape of shapes) {
    it(shape.name, () => {
      for (const runCount of [1, 2, 3, 5, 8, 17]) {
        for (const count of [0, 1, 7, 50, 130, 900]) {
          const made = makeRows(shape, count)
          // Each run is a slice of the rows, sorted.
          const runs: [number, number][] = []
          for (let run = 0; run < runCount; run++) {
            const [start, end] = [run, run + 1].map((cut) => Math.floor((count * cut) / runCount)) as [number, number]
            const own = entries + start * SORT_ENTRY_BYTES
            kernels.fillSortEntries(rows + start * ROW_BYTES, end - start, ROW_BYTES, own)
            kernels.sortEntries(own, scratch, end - start, histograms, order)
            runs.push([start, end])
          }
          const expected = sortedTwin(made, shape)
          expect(mergeRuns(runs, 1000, 64)).toEqual(expected)
          expect(mergeRuns(runs, 3, 7)).toEqual(expected)
        }
      }
    })
  }

  it('stops before a bound and goes on with the next one', () => {
    for (const shape of shapes) {
      const made = makeRows(shape, 200)
      sortAll(200)
      const sorted = sortedTwin(made, shape)
      kernels.mergeInit(state, 1, 1, order)
      kernels.mergeSetPiece(state, 0, entries, entries + 200 * SORT_ENTRY_BYTES)
      kernels.mergeOpen(state)
      u32[(state + mergeState.bound) >>> 2] = bound
      let done = 0
      for (const cut of [0, 3, 3, 50, 120, 199]) {
        const index = sorted[cut] as number
        u8.copyWithin(bound, rows + index * ROW_BYTES, rows + index * ROW_BYTES + (shape.words + 1) * 8)
        done += kernels.mergeRows(state, out, 1000)
        expect(dataView.getUint32(state + mergeState.stopped, true)).toBe(mergeStopped.atBound)
        expect(done).toBe(kernels.entriesBelow(entries, 200, bound, order))
      }
    }
  })
})
