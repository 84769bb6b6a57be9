/**
 * Cuts the keys of a published sort into ranges of about equal rows, by bounds that are sampled from the runs: the
 * first keys of blocks on disk, some entries of chunks in memory. Every worker cuts alike, since all see the same.
 *
 *   range 0 = below bound 1 | range 1 = from bound 1 up to below bound 2 | …
 *
 * Ties are cut too, by their ordinals; only rows that agree in the first 12 bytes of a longer string, and in all that
 * stands before it, are in one range.
 */
import type { SortLayout } from '@spillway/codegen'
import { SORT_ENTRY_BYTES } from '@spillway/kernels'
import type { Arena } from '@spillway/memory'
import { ENTRIES_PER_PAGE } from './chunk-pieces.ts'
import { compareKeyWords } from './key-words.ts'
import { RunIndex } from './run-index.ts'
import { type PublishedSort, RANGES_MAX, type SortedChunk } from './sort.ts'

/** Keys that are sampled at most, over all runs; at least one of each. */
const SAMPLES_MAX = 4096

interface Sample {
  readonly key: BigUint64Array
  /** Rows from this key to the next sample of its run. */
  readonly rows: number
}

export interface KeyRanges {
  readonly count: number
  /** Bound of range i: none below the first range. */
  readonly bounds: readonly (BigUint64Array | undefined)[]
}

export function cutRanges(
  arena: Arena,
  layout: SortLayout,
  states: readonly PublishedSort[],
  rangeRows: number,
): KeyRanges {
  const chunks = states.flatMap((state) => state.chunks)
  const runs = states.flatMap((state) => state.runs)
  const total = [...chunks, ...runs].reduce((sum, { rows }) => sum + rows, 0)
  const count = Math.min(RANGES_MAX, Math.max(1, Math.ceil(total / rangeRows)))
  const bounds: (BigUint64Array | undefined)[] = [undefined]
  if (count === 1) return { count, bounds }
  const perRun = Math.max(1, Math.floor(SAMPLES_MAX / (chunks.length + runs.length)))
  const samples = [
    ...chunks.flatMap((chunk) => chunkSamples(arena, layout, chunk, perRun)),
    ...runs.flatMap((run) => runSamples(new RunIndex(run.index, run.blockCount, layout.keyWords), perRun)),
  ].sort((a, b) => compareKeyWords(a.key, 0, b.key, 0, layout.order))
  let rows = 0
  for (const sample of samples) {
    // A bound begins its range: the rows before it are those of the samples before it.
    while (bounds.length < count && rows >= (bounds.length * total) / count) bounds.push(sample.key)
    rows += sample.rows
  }
  return { count: bounds.length, bounds }
}

function chunkSamples(arena: Arena, { keyWords }: SortLayout, chunk: SortedChunk, most: number): Sample[] {
  const count = Math.min(most, chunk.rows)
  return Array.from({ length: count }, (_, index): Sample => {
    const [first, end] = [index, index + 1].map((cut) => Math.floor((cut * chunk.rows) / count)) as [number, number]
    const page = chunk.pages[Math.floor(first / ENTRIES_PER_PAGE)] as number
    const row = arena.u32[(page + (first % ENTRIES_PER_PAGE) * SORT_ENTRY_BYTES + 8) >>> 2] as number
    const key = BigUint64Array.from({ length: keyWords + 1 }, (_word, word) =>
      arena.view.getBigUint64(row + word * 8, true),
    )
    return { key, rows: end - first }
  })
}

function runSamples(index: RunIndex, most: number): Sample[] {
  const step = Math.ceil(index.blockCount / most)
  const samples: Sample[] = []
  for (let block = 0; block < index.blockCount; block += step) {
    let rows = 0
    for (let each = block; each < Math.min(block + step, index.blockCount); each++) rows += index.rows(each)
    samples.push({ key: index.firstKey(block), rows })
  }
  return samples
}
