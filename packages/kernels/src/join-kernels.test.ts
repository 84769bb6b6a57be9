/** Kernels of the hash join against plain loops, for 0 … 130 rows. */
import { expect, it } from 'vitest'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(16)
const { kernels, u8, u32, dataView } = arena
const base = kernels.pageAlloc(1, 8) >>> 0
const [rows, selection, target, other, cells] = [0, 1, 2, 3, 4].map((page) => base + page * 65536) as [
  number,
  number,
  number,
  number,
  number,
]
const LENGTHS = Array.from({ length: 131 }, (_, n) => n)
const ROW_BYTES = 40

const wordsAt = (address: number, n: number): number[] => [...u32.subarray(address >>> 2, (address >>> 2) + n)]
const bytes = (address: number, n: number): number[] => [...u8.subarray(address, address + n)]
const isMissing = (k: number, n: number): boolean => (k * 11 + n) % 4 === 0

/** Rows in some order, some of them missing (0); a selection of every third index. */
function fill(n: number): { found: number[]; selected: number[] } {
  const found = LENGTHS.slice(0, n).map((k) => (isMissing(k, n) ? 0 : cells + ((k * 7) % 131) * ROW_BYTES))
  const selected = LENGTHS.slice(0, n).map((k) => k * 3 + 1)
  u32.set(found, rows >>> 2)
  u32.set(selected, selection >>> 2)
  return { found, selected }
}

it('keeps rows with a match, and rows without', () => {
  for (const n of LENGTHS) {
    for (const hasSelection of [false, true]) {
      const { found, selected } = fill(n)
      const index = (k: number): number => (hasSelection ? (selected[k] ?? 0) : k)
      const given = hasSelection ? selection : 0
      const missing = found.flatMap((row, k) => (row === 0 ? [index(k)] : []))
      expect(kernels.keepUnmatched(rows, given, n, target)).toBe(missing.length)
      expect(wordsAt(target, missing.length)).toEqual(missing)
      const matched = found.flatMap((row, k) => (row === 0 ? [] : [{ row, at: index(k) }]))
      expect(kernels.keepMatched(rows, given, n, target)).toBe(matched.length)
      expect(wordsAt(target, matched.length)).toEqual(matched.map(({ at }) => at))
      expect(wordsAt(rows, matched.length)).toEqual(matched.map(({ row }) => row))
    }
  }
})

it('fills in for missing rows', () => {
  for (const n of LENGTHS) {
    const { found } = fill(n)
    expect(kernels.fillMissing(rows, n, 77)).toBe(found.filter((row) => row === 0).length)
    expect(wordsAt(rows, n)).toEqual(found.map((row) => (row === 0 ? 77 : row)))
  }
})

it('marks rows, collects the marked ones, and follows links', () => {
  for (const n of LENGTHS) {
    const { found } = fill(n)
    for (let row = 0; row < 131; row++) {
      u8[cells + row * ROW_BYTES + 33] = 0
      u32[(cells + row * ROW_BYTES + 36) >>> 2] = row + 5
    }
    kernels.markRows(rows, n, 33)
    const marked = [...new Set(found)].filter((row) => row !== 0).sort((a, b) => a - b)
    expect(kernels.collectMarked(cells, 131, ROW_BYTES, 33, target)).toBe(marked.length)
    expect(wordsAt(target, marked.length)).toEqual(marked)
    kernels.loadLinks(rows, n, 36, target)
    expect(wordsAt(target, n)).toEqual(found.map((row) => (row === 0 ? 0 : (row - cells) / ROW_BYTES + 5)))
  }
})

it('gathers fields of every width, dense and in place', () => {
  for (let byte = 0; byte < 131 * ROW_BYTES; byte++) u8[cells + byte] = (byte * 37) % 251
  for (const n of [0, 1, 2, 7, 64, 130]) {
    const { selected } = fill(n)
    const gathered = LENGTHS.slice(0, n).map((k) => cells + ((k * 7) % 131) * ROW_BYTES)
    u32.set(gathered, rows >>> 2)
    for (const width of [1, 2, 4, 8, 16]) {
      for (const indices of [0, selection]) {
        u8.fill(0, target, target + 65536)
        kernels.gatherField(rows, indices, n, 16, width, target)
        gathered.forEach((row, k) => {
          const at = target + (indices === 0 ? k : (selected[k] ?? 0)) * width
          expect(bytes(at, width)).toEqual(bytes(row + 16, width))
        })
      }
    }
  }
})

it('gathers flags: stored ones, and those of rows that stand for a missing one', () => {
  for (const n of LENGTHS) {
    const { found, selected } = fill(n)
    const nullRow = cells + 131 * ROW_BYTES
    u8.fill(0, nullRow, nullRow + ROW_BYTES)
    for (let row = 0; row < 131; row++) u8[cells + row * ROW_BYTES + 34] = row % 2
    const filled = found.map((row) => (row === 0 ? nullRow : row))
    u32.set(filled, rows >>> 2)
    const stored = filled.map((row) => u8[row + 34] ?? 0)
    expect(kernels.gatherFlags(rows, 0, n, 34, nullRow, target)).toBe(stored.filter((flag) => flag === 0).length)
    expect(bytes(target, n)).toEqual(stored)
    const present = filled.map((row) => (row === nullRow ? 0 : 1))
    expect(kernels.gatherFlags(rows, selection, n, -1, nullRow, target)).toBe(
      present.filter((each) => each === 0).length,
    )
    expect(selected.map((at) => u8[target + at])).toEqual(present)
  }
})

it('divides rows by whether their partition is spilled', () => {
  for (const partitionBits of [0, 2, 5]) {
    for (let partition = 0; partition < 2 ** partitionBits; partition++) {
      u32[(other + partition * 16 + 8) >>> 2] = partition % 3 === 1 ? 1 : 0
    }
    for (const n of LENGTHS) {
      const { selected } = fill(n)
      const hashes = LENGTHS.slice(0, n).map((k) => BigInt.asUintN(64, BigInt(k + n) * 0x9e3779b97f4a7c15n))
      hashes.forEach((hash, k) => {
        dataView.setBigUint64(target + k * 8, hash, true)
      })
      const isAway = hashes.map(
        (hash) => (partitionBits === 0 ? 0 : Number(hash >> BigInt(64 - partitionBits))) % 3 === 1,
      )
      const [here, away] = [target + 8192, target + 16384]
      const stay = kernels.divideSpilled(target, selection, n, other, partitionBits, here, away)
      expect(wordsAt(here, stay)).toEqual(selected.filter((_, k) => isAway[k] === false))
      expect(wordsAt(away, n - stay)).toEqual(selected.filter((_, k) => isAway[k] === true))
    }
  }
})

it('keeps what is known of replayed rows', () => {
  for (const n of LENGTHS) {
    for (const dropsSeen of [0, 1]) {
      const { found } = fill(n)
      const before = LENGTHS.slice(0, n).map((k) => (k % 5 === 0 ? 1 : 0))
      u8.set(before, other)
      kernels.noteSeen(rows, n, other, dropsSeen)
      const after = found.map((row, k) => (row !== 0 || before[k] === 1 ? 1 : 0))
      expect(bytes(other, n)).toEqual(after)
      const left = found.map((row, k) => (dropsSeen === 1 && before[k] === 1 ? 0 : row))
      expect(wordsAt(rows, n)).toEqual(left)
      kernels.fillUnseen(rows, n, other, 99)
      expect(wordsAt(rows, n)).toEqual(left.map((row, k) => (row === 0 && after[k] === 0 ? 99 : row)))
      const unseen = LENGTHS.slice(0, n).filter((k) => after[k] === 0)
      expect(kernels.keepUnseen(other, n, target)).toBe(unseen.length)
      expect(wordsAt(target, unseen.length)).toEqual(unseen)
    }
  }
})

it('counts rows by four bits of their hashes', () => {
  for (const n of LENGTHS) {
    const counts = new Array<number>(16).fill(0)
    for (let row = 0; row < n; row++) {
      const hash = BigInt.asUintN(64, BigInt(row * n + 1) * 0x9e3779b97f4a7c15n)
      dataView.setBigUint64(cells + row * ROW_BYTES, hash, true)
      counts[Number(BigInt.asUintN(64, hash << 6n) >> 60n)]! += 1
    }
    u8.fill(0, target, target + 64)
    kernels.countHashBits(cells, n, ROW_BYTES, 6, target)
    expect(wordsAt(target, 16)).toEqual(counts)
  }
})

/** The filter's words as the kernel makes them, in big integers. */
function addInPlain(filter: bigint[], hash: bigint): void {
  const { word, bits } = placeOf(filter.length, hash)
  filter[word] = (filter[word] ?? 0n) | bits
}
function placeOf(count: number, hash: bigint): { word: number; bits: bigint } {
  const x = BigInt.asUintN(64, (hash ^ (hash >> 32n)) * 0x9fb21c651e98df25n)
  const bits = [8n, 14n, 20n, 26n].reduce((all, shift) => all | (1n << ((x >> shift) & 63n)), 0n)
  return { word: Number(((x >> 32n) * BigInt(count)) >> 32n), bits }
}
const hashOf = (i: number): bigint => BigInt.asUintN(64, BigInt(i + 1) * 0x9e3779b97f4a7c15n)

it('adds hashes to a filter, and divides rows by it', () => {
  const u64 = new BigUint64Array(u8.buffer)
  const words = 1024
  for (const n of LENGTHS) {
    const plain = new Array<bigint>(words).fill(0n)
    u64.fill(0n, other >>> 3, (other >>> 3) + words)
    for (let i = 0; i < n; i++) {
      dataView.setBigUint64(cells + i * ROW_BYTES, hashOf(i * 2), true)
      addInPlain(plain, hashOf(i * 2))
    }
    kernels.addToFilter(cells, n, ROW_BYTES, other, words)
    expect([...u64.subarray(other >>> 3, (other >>> 3) + words)]).toEqual(plain)
    const { selected } = fill(n)
    const [hashes, table, here, away, counts] = [rows, cells + 8192, target, target + 1024, target + 2048] as const
    // Four partitions; the second and the fourth one are on disk.
    for (let partition = 0; partition < 4; partition++) {
      u32.set([0, 0, partition % 2, 0], (table + partition * 16) >>> 2)
    }
    for (let k = 0; k < n; k++) u64[(hashes >>> 3) + k] = hashOf(k)
    for (const given of [0, selection]) {
      for (const keepsMisses of [0, 1]) {
        const expected = { here: [] as number[], away: [] as number[], misses: 0 }
        for (let k = 0; k < n; k++) {
          const index = given === 0 ? k : (selected[k] ?? 0)
          const isOnDisk = (hashOf(k) >> 62n) % 2n === 1n
          const { word, bits } = placeOf(words, hashOf(k))
          const isMissing = ((plain[word] ?? 0n) & bits) !== bits
          if (isOnDisk && isMissing) expected.misses += 1
          if (isOnDisk && !isMissing) expected.away.push(index)
          else if (!isOnDisk || keepsMisses === 1) expected.here.push(index)
        }
        kernels.divideFiltered(hashes, given, n, table, 2, other, words, keepsMisses, here, away, counts)
        const [stay = 0, leave = 0, misses] = wordsAt(counts, 3)
        expect({ here: wordsAt(here, stay), away: wordsAt(away, leave), misses }).toEqual(expected)
      }
    }
  }
})

it('a filter of twelve bits per row lets few others pass, and all that are in it', () => {
  const rowCount = 5000
  const words = (rowCount * 12) / 64
  const [first, filter] = [rows, cells]
  const u64 = new BigUint64Array(u8.buffer)
  u64.fill(0n, filter >>> 3, (filter >>> 3) + Math.ceil(words))
  const pass = (from: number): number => {
    let passed = 0
    for (let start = 0; start < rowCount; start += 100) {
      for (let k = 0; k < 100; k++) u64[(first >>> 3) + k] = hashOf(from + start + k)
      u32.set([0, 0, 1, 0], other >>> 2)
      kernels.divideFiltered(first, 0, 100, other, 0, filter, Math.ceil(words), 0, target, target + 1024, selection)
      passed += u32[(selection >>> 2) + 1] ?? 0
    }
    return passed
  }
  for (let start = 0; start < rowCount; start += 100) {
    for (let k = 0; k < 100; k++) u64[(first >>> 3) + k] = hashOf(start + k)
    kernels.addToFilter(first, 100, 8, filter, Math.ceil(words))
  }
  expect(pass(0)).toBe(rowCount)
  expect(pass(1_000_000)).toBeLessThan(rowCount * 0.03)
})
