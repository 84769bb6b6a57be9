/** Blocks hold the bytes that were written, for all lengths; the blocks of a segment follow each other in one chain. */
import type { ArenaSlice, ExportedColumn } from '@spillway/columnar'
import { makeSchema } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { Arena } from '@spillway/memory'
import { describe, expect, it } from 'vitest'
import {
  blockColumns,
  blockPages,
  blockRows,
  lastPage,
  nextBlock,
  readableColumns,
  writeBlock,
} from './column-block.ts'
import { ENTRIES_PER_PAGE, entryAt, segmentLock } from './segment-entry.ts'

const OWNER = 1
const schema = makeSchema([
  { name: 'n', type: { kind: 'int64' }, nullable: true },
  { name: 't', type: { kind: 'utf8' }, nullable: true },
])

function makeArena(): Arena {
  const arena = Arena.create(1, 400)
  arena.setCeiling(300)
  return arena
}

/** Columns of `rows` rows with arbitrary bytes, laid one after another from `address` on. */
function columnsAt(arena: Arena, address: number, rows: number, seed: number): ExportedColumn[] {
  let cursor = address
  const piece = (bytes: number): ArenaSlice => {
    const at = cursor
    for (let index = 0; index < bytes; index++) arena.u8[at + index] = (seed * 31 + at + index * 7) & 0xff
    cursor += Math.ceil(bytes / 64) * 64
    return { address: at, bytes }
  }
  const none: ArenaSlice = { address: 0, bytes: 0 }
  const bitmap = (index: number): ArenaSlice => ((rows + index) % 2 === 0 ? none : piece(Math.ceil(rows / 8)))
  return [
    {
      type: { kind: 'int64' },
      length: rows,
      nullCount: rows % 3,
      validity: bitmap(0),
      offsets: none,
      values: piece(rows * 8),
    },
    {
      type: { kind: 'utf8' },
      length: rows,
      nullCount: 0,
      validity: bitmap(1),
      offsets: piece((rows + 1) * 4),
      values: piece((rows * 613 * seed) % 200_000),
    },
  ]
}

const bytesOf = (arena: Arena, { address, bytes }: ArenaSlice): number[] => [
  ...arena.u8.subarray(address, address + bytes),
]

describe('column blocks', () => {
  it('hold what was written, in one chain', () => {
    const arena = makeArena()
    const source = arena.kernels.pageAlloc(OWNER, 8) >>> 0
    const blocks: { readonly rows: number; readonly bytes: number[][] }[] = []
    let head = 0
    let last = 0
    for (let rows = 0; rows <= 130; rows += rows < 10 ? 1 : 17) {
      const columns = columnsAt(arena, source, rows, rows + 1)
      blocks.push({
        rows,
        bytes: columns.flatMap(({ validity, offsets, values }) =>
          [validity, offsets, values].map((piece) => bytesOf(arena, piece)),
        ),
      })
      const pages = blockPages(columns)
      const address = arena.kernels.pageAlloc(OWNER, pages) >>> 0
      expect(address).toBeGreaterThan(0)
      writeBlock(arena, address, pages, columns, rows)
      if (last === 0) head = address
      else arena.kernels.pageNextSet(lastPage(arena, last), address)
      last = address
    }
    let found = head
    for (const { rows, bytes } of blocks) {
      expect(blockRows(arena, found)).toBe(rows)
      const columns = blockColumns(arena, found, schema)
      const pieces = columns.flatMap(({ validity, offsets, values }) => [validity, offsets, values])
      expect(pieces.map((piece) => bytesOf(arena, piece))).toEqual(bytes)
      expect(columns.map(({ length }) => length)).toEqual([rows, rows])
      expect(columns[0]?.nullCount).toBe(rows % 3)
      const readable = readableColumns(arena, found, schema)
      expect([...(readable[0]?.values ?? [])]).toEqual(bytes[2])
      expect([...(readable[1]?.offsets ?? [])]).toEqual(bytes[4])
      expect(readable[1]?.validity === undefined).toBe(bytes[3]?.length === 0)
      found = nextBlock(arena, found)
    }
    expect(found).toBe(0)
    const before = arena.kernels.ownerPages(OWNER)
    expect(arena.kernels.chainFree(head)).toBe(before - 8)
  })

  it('take a page more when the bytes pass it', () => {
    const values = (bytes: number): ExportedColumn[] => [
      {
        type: { kind: 'int8' },
        length: bytes,
        nullCount: 0,
        validity: { address: 0, bytes: 0 },
        offsets: { address: 0, bytes: 0 },
        values: { address: 64, bytes },
      },
    ]
    expect(blockPages(values(PAGE_BYTES - 64))).toBe(1)
    expect(blockPages(values(PAGE_BYTES - 63))).toBe(2)
    expect(blockPages([])).toBe(1)
  })
})

describe('segment entries', () => {
  it('are found by number over several pages, and locked by one at a time', () => {
    const arena = makeArena()
    const pages = [0, 1].map(() => arena.kernels.pageAlloc(OWNER, 1) >>> 0)
    const numbers = [0, 1, ENTRIES_PER_PAGE - 1, ENTRIES_PER_PAGE, 2 * ENTRIES_PER_PAGE - 1]
    for (const number of numbers) {
      const entry = entryAt(arena, pages, number)
      entry.clear()
      entry.set('sequence', number)
      entry.totals = { rows: number, dataBytes: 64, bytes: 100 + number, footerChecksum: 7n, blockCount: 2 }
      expect(entry.address % 8).toBe(0)
      expect(pages.some((page) => entry.address >= page && entry.address + 72 <= page + PAGE_BYTES)).toBe(true)
    }
    for (const number of numbers) {
      const entry = entryAt(arena, pages, number)
      expect([entry.get('sequence'), entry.get('head'), entry.totals.bytes]).toEqual([number, 0, 100 + number])
      expect(entry.tryLock(segmentLock.reading)).toBe(true)
      expect(entryAt(arena, pages, number).tryLock(segmentLock.spilling)).toBe(false)
      entry.unlock()
      expect(entry.tryLock(segmentLock.spilling)).toBe(true)
    }
  })
})
