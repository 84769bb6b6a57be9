/** Files of our own encoder, read back by three other readers, for all types, codecs, nulls, pages and dictionaries. */
import { readFileSync, statSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { type DataType, typeName } from '@spillway/columnar'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseFooterStruct, readFileMeta } from '../footer.ts'
import { findNumber, findStruct, itemsOf, requireNumber, structsOf, ThriftReader } from '../thrift.ts'
import { pageCodec, type ParquetCompression } from './page-codec.ts'
import { testTable, type TestTable, type TestValue, writeTestTable } from './write-test-table.ts'
import { WrittenFile } from '../testing/written-file.ts'

let written: WrittenFile
let path: string

beforeAll(async () => {
  written = await WrittenFile.open(await (await DuckDBInstance.create(':memory:')).connect())
  path = written.path
})
afterAll(() => written.close())

const decimal = (precision: number, scale: number): DataType => ({ kind: 'decimal', precision, scale })
const types: readonly DataType[] = [
  ...(['null', 'boolean', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const).map(
    (kind) => ({ kind }),
  ),
  ...(['float32', 'float64', 'utf8', 'date'] as const).map((kind) => ({ kind })),
  { kind: 'timestamp', unit: 'ms', timezone: undefined },
  { kind: 'timestamp', unit: 'us', timezone: 'UTC' },
  { kind: 'timestamp', unit: 'ns', timezone: undefined },
  ...[decimal(4, 1), decimal(9, 2), decimal(18, 3), decimal(19, 0), decimal(27, 5), decimal(38, 10)],
]
const codecs: readonly ParquetCompression[] = ['uncompressed', 'snappy', 'zstd', 'lz4', 'gzip', 'brotli']

/** A value of a type for a number 0 … 2^32: equal numbers give equal values, small ones are edges. */
function makeValue(type: DataType, seed: number): TestValue {
  const wide = BigInt(seed) * 0x9e3779b97f4a7c15n
  const signed = (bits: number): bigint => (seed === 0 ? -(2n ** BigInt(bits - 1)) : BigInt.asIntN(bits, wide))
  const unsigned = (bits: number): bigint => (seed === 0 ? 2n ** BigInt(bits) - 1n : BigInt.asUintN(bits, wide))
  switch (type.kind) {
    case 'null':
      return null
    case 'boolean':
      return seed % 2 === 0
    case 'float32':
      return [-0, 0, Number.NaN, Infinity][seed] ?? Math.fround(seed / 7)
    case 'float64':
      return [-0, 0, Number.NaN, -Infinity][seed] ?? seed / 7
    case 'utf8':
      return ['', 'a', 'ü', '🌍'.repeat(40), 'x'.repeat(300)][seed] ?? `text ${seed} ${'…'.repeat(seed % 30)}`
    case 'date':
      return (seed % 100_000) - 50_000
    case 'timestamp':
      return BigInt(seed) * 1_000_003n - 10n ** 12n
    case 'decimal': {
      const limit = 10n ** BigInt(type.precision)
      return seed === 0 ? 1n - limit : (wide * wide * (seed % 2 === 0 ? 1n : -1n)) % limit
    }
    default: {
      const bits = Number(type.kind.replace(/\D+/, ''))
      const value = type.kind.startsWith('u') ? unsigned(bits) : signed(bits)
      return bits === 64 ? value : Number(value)
    }
  }
}

const text = (value: TestValue): string => (Object.is(value, -0) ? '-0' : String(value))

function expectRows(table: TestTable): void {
  expect(readFileMeta(path).schema).toEqual(table.schema)
  const found = written.readWithWasm(table)
  table.columns.forEach((values, index) => {
    const name = table.schema.fields[index]?.name
    expect([name, (found[index] ?? []).map(text).join('|')]).toEqual([name, values.map(text).join('|')])
  })
}

/** Every chunk's statistics, as the engine reads them, against its rows. */
function expectStatistics(table: TestTable): void {
  for (const { rowStart, rowCount, chunks } of readFileMeta(path).rowGroups) {
    table.schema.fields.forEach(({ name, type }, index) => {
      const chunk = chunks[name]
      const rows = (table.columns[index] ?? []).slice(rowStart, rowStart + rowCount)
      expect(chunk?.nullCount).toBe(rows.filter((value) => value === null).length)
      const values = rows.filter((value) => value !== null && !Number.isNaN(value)).map(boundOf)
      if (type.kind === 'null' || values.length === 0) return
      const sorted = values.toSorted(compare)
      const [min, max] = [sorted[0], sorted.at(-1)]
      if (chunk?.minExact === true) expect([name, compare(chunk.min ?? '', min ?? '')]).toEqual([name, 0])
      else expect(compare(chunk?.min ?? '', min ?? '')).toBeLessThan(0)
      if (chunk?.maxExact === true) expect([name, compare(chunk.max ?? '', max ?? '')]).toEqual([name, 0])
      else expect(compare(chunk?.max ?? '', max ?? '')).toBeGreaterThan(0)
      const isCut = (value: unknown): boolean => value instanceof Uint8Array && value.length > 64
      expect([chunk?.minExact, chunk?.maxExact]).toEqual([!isCut(min), !isCut(max)])
    })
  }
}

type Bound = string | bigint | number | Uint8Array

/** As statistics have it. */
function boundOf(value: TestValue): Bound {
  if (typeof value === 'string') return new Uint8Array(Buffer.from(value))
  if (typeof value === 'boolean') return value ? 1n : 0n
  return typeof value === 'number' && Number.isInteger(value) ? value : (value ?? 0)
}
function compare(a: Bound, b: Bound): number {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  return a < b ? -1 : a > b ? 1 : 0
}

const isInteger = (type: DataType): boolean => type.kind.includes('int') || type.kind === 'date'

const nullPatterns = ['none', 'some', 'all', 'runs'] as const
type NullPattern = (typeof nullPatterns)[number]

function makeColumn(
  type: DataType,
  rows: number,
  distinct: number,
  nulls: NullPattern,
  isSorted: boolean,
): TestValue[] {
  return Array.from({ length: rows }, (_, row) => {
    if (nulls === 'all' || (nulls === 'some' && row % 3 === 1) || (nulls === 'runs' && row % 700 > 400)) return null
    const seed = isSorted ? Math.floor((row * Math.min(distinct, rows)) / rows) : Math.imul(row, 2654435761) >>> 0
    return makeValue(type, distinct === Infinity ? seed : seed % distinct)
  })
}

/** Numbers in no order at all. */
function scattered(type: DataType, rows: number): TestValue[] {
  let state = 1
  return Array.from({ length: rows }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return makeValue(type, (state ^ (state >>> 15)) >>> 0)
  })
}

const column = (type: DataType, values: readonly TestValue[], name = typeName(type)) =>
  [{ name, type, nullable: true }, values] as const

/** Integers are numbers in a table and bigints in statistics. */
function integersAsBounds(table: TestTable): TestTable {
  const columns = table.columns.map((values, index) =>
    isInteger(table.schema.fields[index]?.type ?? { kind: 'null' })
      ? values.map((value) => (value === null ? null : BigInt(value)))
      : values,
  )
  return { schema: table.schema, columns }
}

describe('what is written is read back', () => {
  it.each(codecs)(
    '%s: every type, without a dictionary, with one, and when it gets full',
    async (compression) => {
      const options = { codec: pageCodec(compression, undefined), rowGroupRows: 3000 }
      for (const distinct of [7, 900, Infinity]) {
        const columns = types.map((type, index) =>
          column(type, makeColumn(type, 5000, distinct, nullPatterns[index % 4] ?? 'none', index % 3 === 0)),
        )
        const table = testTable(columns)
        for (const dictionaryEntries of [0, 600, 16_384]) {
          writeTestTable(path, table, { ...options, dictionaryEntries, dictionaryBytes: 20_000 })
          expectRows(table)
          expectStatistics(integersAsBounds(table))
        }
        expect(await written.rowsOf(`select count(*)::int as n from '${path}'`)).toEqual([{ n: 5000 }])
        const stored = await written.rowsOf(`select distinct compression from parquet_metadata('${path}')`)
        const name = { lz4: 'LZ4_RAW' }[compression as string] ?? compression.toUpperCase()
        expect(stored).toEqual([{ compression: name }])
      }
    },
    120_000,
  )

  it('any type, pages, row groups, dictionaries, nulls, selections, memory', async () => {
    const shapes = fc.record({
      type: fc.constantFrom(...types),
      rows: fc.constantFrom(1, 2, 7, 8, 9, 64, 100, 1000, 4097, 21_000),
      distinct: fc.constantFrom(1, 2, 3, 17, 300, Infinity),
      nulls: fc.constantFrom(...nullPatterns),
      isSorted: fc.boolean(),
      nullable: fc.boolean(),
      writing: fc.record({
        codec: fc.constantFrom(...codecs.slice(0, 4)).map((name) => pageCodec(name, undefined)),
        pageBytes: fc.constantFrom(64, 100, 1000, 20_000, 1 << 20),
        dictionaryEntries: fc.constantFrom(0, 1, 2, 100, 4096),
        dictionaryBytes: fc.constantFrom(10, 500, 100_000),
        rowGroupRows: fc.constantFrom(1, 3, 500, 10_000, 131_072),
        batchRows: fc.constantFrom(1, 100, 2048, 8192),
        selects: fc.boolean(),
        pages: fc.constantFrom(0, 1, 8, 2000),
        statistics: fc.boolean(),
      }),
    })
    const longBesideRoom = {
      ...({ type: { kind: 'utf8' }, rows: 4097, distinct: 17, nulls: 'none', isSorted: false } as const),
      nullable: false,
      writing: {
        ...({ pageBytes: 64, dictionaryEntries: 0, dictionaryBytes: 10, rowGroupRows: 3, batchRows: 1 } as const),
        ...({ codec: pageCodec('uncompressed', undefined), selects: false, pages: 0, statistics: false } as const),
      },
    }
    await fc.assert(
      fc.asyncProperty(shapes, async ({ type, distinct, nulls, isSorted, nullable, writing, ...rest }) => {
        // Tiny row groups or batches of many rows take long and show nothing more.
        const rows = Math.min(rest.rows, writing.rowGroupRows * 50, writing.batchRows * 300)
        const values = makeColumn(type, rows, distinct, nulls, isSorted)
        const isRequired = !nullable && !values.includes(null)
        const other: DataType = { kind: 'int32' }
        const table = testTable([
          [{ name: 'x', type, nullable: !isRequired }, values],
          column(other, makeColumn(other, rows, Infinity, 'some', false), 'other'),
        ])
        const longest = Math.max(0, ...values.map((value) => (typeof value === 'string' ? value.length * 4 : 0)))
        const pages = longest > writing.pageBytes ? 2000 : writing.pages
        const placed = writeTestTable(path, table, { ...writing, pages })
        expect(placed.every(({ footer }) => footer.rowCount <= writing.rowGroupRows)).toBe(true)
        expectRows(table)
        if (writing.statistics) expectStatistics(integersAsBounds(table))
        expect(await written.rowsOf(`select count(x)::int as n from '${path}'`)).toEqual([
          { n: values.filter((value) => value !== null).length },
        ])
      }),
      {
        numRuns: 250,
        // A string longer than a page, while the chain of pages has room for it.
        examples: [[longBesideRoom]],
      },
    )
  }, 300_000)

  it('by DuckDB and hyparquet, value by value', async () => {
    const table = testTable(
      types
        .slice(1)
        .map((type, index) =>
          column(type, makeColumn(type, 300, 40, nullPatterns[index % 2] ?? 'none', false), `c${index}`),
        ),
    )
    writeTestTable(path, table, { rowGroupRows: 128 })
    const names = table.schema.fields.map(({ name }) => name)
    const texts = await written.rowsOf(
      `select ${names.map((name) => `${name}::varchar as ${name}`).join(', ')} from '${path}'`,
    )
    const objects = await written.readWithHyparquet()
    table.schema.fields.forEach(({ name, type }, index) => {
      const expected = table.columns[index] ?? []
      if (type.kind === 'utf8' || isInteger(type)) {
        const values = expected.map((value) => (value === null ? null : String(value)))
        if (type.kind !== 'date') expect(texts.map((row) => row[name])).toEqual(values)
        if (type.kind !== 'date')
          expect(
            objects.map((row) => (row[name] === null || row[name] === undefined ? null : String(row[name]))),
          ).toEqual(values)
      }
      if (type.kind === 'decimal') {
        const unscaled = texts.map((row) => (row[name] === null ? null : BigInt(String(row[name]).replace('.', ''))))
        expect([name, unscaled]).toEqual([name, expected])
      }
      if (type.kind === 'boolean') expect(objects.map((row) => row[name] ?? null)).toEqual(expected)
      if (type.kind === 'float64') {
        expect(objects.map((row) => text((row[name] ?? null) as TestValue))).toEqual(expected.map(text))
      }
    })
  })
})

describe('encodings', () => {
  const int32: DataType = { kind: 'int32' }
  const utf8: DataType = { kind: 'utf8' }

  it('a dictionary where values repeat, PLAIN where they do not, both where it gets full', async () => {
    const rows = 60_000
    const table = testTable([
      column(int32, makeColumn(int32, rows, 20, 'none', false), 'few'),
      column(int32, scattered(int32, rows), 'unique'),
      column(int32, makeColumn(int32, rows, 6000, 'none', true), 'late'),
      column(utf8, makeColumn(utf8, rows, 6000, 'none', true), 'lateText'),
      column(utf8, makeColumn(utf8, rows, 20, 'some', false), 'fewTexts'),
    ])
    writeTestTable(path, table, { dictionaryEntries: 4096 })
    expectRows(table)
    expect(await written.encodingsOf('few')).toEqual(['PLAIN, RLE, RLE_DICTIONARY'])
    expect(await written.encodingsOf('unique')).toEqual(['PLAIN, RLE'])
    expect(await written.encodingsOf('late')).toEqual(['PLAIN, RLE, RLE_DICTIONARY'])
    expect(await written.encodingsOf('lateText')).toEqual(['PLAIN, RLE, RLE_DICTIONARY'])
    const few = await written.rowsOf(
      `select total_uncompressed_size::int as n from parquet_metadata('${path}') where path_in_schema = 'few'`,
    )
    expect(few[0]?.['n']).toBeLessThan((rows * 6) / 8)
  })

  it('a text longer than a page has a page of its own, and is refused when there is no memory for it', async () => {
    const values = ['a', 'b'.repeat(300_000), null, 'c', 'd'.repeat(70_000), '']
    const table = testTable([column(utf8, values, 't'), column(int32, [1, 2, 3, 4, 5, 6], 'i')])
    for (const dictionaryEntries of [0, 100]) {
      writeTestTable(path, table, { pageBytes: 1000, dictionaryBytes: 1000, dictionaryEntries })
      expectRows(table)
      expectStatistics(integersAsBounds(table))
    }
    const few = { pageBytes: 1000, pages: 5, codec: pageCodec('uncompressed', undefined) }
    expect(() => writeTestTable(path, table, few)).toThrow(/Not enough memory in PARQUET SINK/)
  })

  it('a long text ends the row group, then asks others for room, then is refused with what it needs', () => {
    const values = [...Array.from({ length: 3000 }, (_, row) => `text ${row} `.repeat(40)), 'b'.repeat(700_000), 'c']
    const table = testTable([column(utf8, values, 't')])
    const options = { pageBytes: 20_000, dictionaryEntries: 0, codec: pageCodec('uncompressed', undefined) }
    // Pages for the chain of the first rows, or for the long text (11 for it, as many for its place in the chain).
    expect(writeTestTable(path, table, { ...options, pages: 26 }).length).toBeGreaterThan(1)
    expectRows(table)
    const asked: number[] = []
    const makeRoom = (pages: number): number => {
      asked.push(pages)
      return asked.length < 3 ? 1 : 0
    }
    expect(() => writeTestTable(path, table, { ...options, pages: 15, makeRoom })).toThrow(
      /Not enough memory in PARQUET SINK for a value of 700000 bytes in column "t": \d+ bytes are needed/,
    )
    expect(asked).toEqual([asked[0], asked[0], asked[0]])
    expect(asked[0]).toBeGreaterThanOrEqual(22)
  })

  it('rows are taken with no page for the chains at all', () => {
    const table = testTable([
      column(utf8, makeColumn(utf8, 3000, Infinity, 'some', false), 't'),
      column(int32, makeColumn(int32, 3000, Infinity, 'some', false), 'i'),
    ])
    const placed = writeTestTable(path, table, {
      pages: 0,
      pageBytes: 2000,
      dictionaryEntries: 10,
      dictionaryBytes: 100,
    })
    expect(placed.length).toBeGreaterThan(3)
    expectRows(table)
  })
})

describe('what readers are told', () => {
  const int32: DataType = { kind: 'int32' }
  const float64: DataType = { kind: 'float64' }
  const utf8: DataType = { kind: 'utf8' }

  it('zeroes are -0 and +0 in bounds, NaN is left out, a chunk of NaN has no bounds', () => {
    const table = testTable([
      column(float64, [0, Number.NaN, 0], 'zero'),
      column(float64, [Number.NaN, null, Number.NaN], 'nan'),
      column({ kind: 'float32' }, [-0, 1, Number.NaN], 'half'),
    ])
    writeTestTable(path, table)
    const chunks = readFileMeta(path).rowGroups[0]?.chunks
    expect([chunks?.['zero']?.min, chunks?.['zero']?.max]).toEqual([-0, 0])
    expect(chunks?.['nan']).toMatchObject({ min: undefined, max: undefined, nullCount: 1 })
    expect([chunks?.['half']?.min, chunks?.['half']?.max]).toEqual([-0, 1])
  })

  it('long texts have cut bounds that hold all values, also where a character is cut', () => {
    const beginnings = ['a'.repeat(63), 'a'.repeat(64), 'b'.repeat(62), 'c'.repeat(61), '\u{10ffff}'.repeat(16)]
    for (const beginning of beginnings) {
      const values = [`${beginning}ü`, `${beginning}\u{10ffff}x`, `${beginning}퟿y`, beginning]
      for (const value of values) {
        const table = testTable([column(utf8, [value, 'aaa'.repeat(30), value], 't')])
        writeTestTable(path, table)
        const chunk = readFileMeta(path).rowGroups[0]?.chunks['t']
        const bytes = Buffer.from(value)
        if (chunk?.max === undefined) continue
        expect(Buffer.compare(chunk.max as Uint8Array, bytes)).toBe(chunk.maxExact ? 0 : 1)
        expect((chunk.max as Uint8Array).length).toBeLessThanOrEqual(64)
        expect(new TextDecoder('utf-8', { fatal: true }).decode(chunk.max as Uint8Array)).not.toBe('')
      }
    }
  })

  it('statistics: false leaves bounds out', () => {
    writeTestTable(path, testTable([column(int32, [1, 2, null], 'i')]), { statistics: false })
    expect(readFileMeta(path).rowGroups[0]?.chunks['i']).toMatchObject({ min: undefined, nullCount: undefined })
  })

  it('a Bloom filter knows its values and few others', async () => {
    const values = Array.from({ length: 9000 }, (_, k) => k * 7)
    const table = testTable([
      column(int32, values, 'i'),
      column(
        utf8,
        values.map((value) => `key ${value} ${'long'.repeat(value % 9)}`),
        't',
      ),
      column(decimal(30, 2), values.map(BigInt), 'd'),
    ])
    writeTestTable(path, table, { rowGroupRows: 3000, bloomFilters: ['i', 't', 'd'] })
    expectRows(table)
    const filters = await written.rowsOf(`select bloom_filter_length::int as n from parquet_metadata('${path}')`)
    expect(filters.every(({ n }) => (n as number) > 1000 && (n as number) < 10_000)).toBe(true)
    let wrong = 0
    for (let probe = 0; probe < 60; probe++) {
      for (const [name, value] of [
        ['i', `${probe * 7 + (probe % 2)}`],
        ['t', `key ${probe * 7} ${'long'.repeat((probe * 7 + (probe % 2)) % 9)}`],
      ] as const) {
        const literal = name === 'i' ? value : `'${value}'`
        const excluded = await written.rowsOf(
          `select bloom_filter_excludes as x from parquet_bloom_probe('${path}', '${name}', ${literal})`,
        )
        const candidates = excluded.filter(({ x }) => x === false).length
        if (probe % 2 === 0) expect(candidates).toBeGreaterThanOrEqual(1)
        wrong += probe % 2 === 0 ? candidates - 1 : candidates
      }
    }
    expect(wrong).toBeLessThan(8)
  })

  it('the page indexes say where pages are and what they hold', () => {
    const rows = 45_000
    const sorted = makeColumn({ kind: 'int64' }, rows, Infinity, 'none', true).map((_, row) => BigInt(row))
    const nulls = sorted.map((value) => (value > 15_000n && value < 41_000n ? null : -value))
    const texts = sorted.map((value) => String(value % 977n))
    const table = testTable([
      column({ kind: 'int64' }, sorted, 's'),
      column({ kind: 'int64' }, nulls, 'n'),
      column(utf8, texts, 't'),
    ])
    writeTestTable(path, table, { placing: [1, 0], rowGroupRows: 30_000, pageBytes: 40_000 })
    const file = readFileSync(path)
    const footer = parseFooterStruct(file, path)
    let rowStart = 0
    for (const rowGroup of structsOf(footer, 4)) {
      const rowCount = requireNumber(rowGroup, 3)
      for (const [index, chunk] of structsOf(rowGroup, 1).entries()) {
        const [offsets, bounds] = [4, 6].map((id) => new ThriftReader(file, requireNumber(chunk, id)).readStruct())
        const pages = structsOf(offsets ?? [], 1)
        const [isNull, min, max, nullCounts] = [1, 2, 3, 5].map((id) => itemsOf(bounds ?? [], id))
        pages.forEach((page, k) => {
          const first = requireNumber(page, 3)
          const end = k + 1 < pages.length ? requireNumber(pages[k + 1] ?? [], 3) : rowCount
          const values = (table.columns[index] ?? []).slice(rowStart + first, rowStart + end)
          const reader = new ThriftReader(file, requireNumber(page, 1))
          const header = reader.readStruct()
          expect(reader.position + requireNumber(header, 3)).toBe(requireNumber(page, 1) + requireNumber(page, 2))
          const body = file.subarray(reader.position, reader.position + requireNumber(header, 3))
          expect(findNumber(header, 4)).toBe(crc32(body) | 0)
          expect(requireNumber(findStruct(header, 5) ?? [], 1)).toBe(values.length)
          const present = values.filter((value) => value !== null)
          expect(nullCounts?.[k]).toBe(BigInt(values.length - present.length))
          expect(isNull?.[k]).toBe(present.length === 0)
          if (present.length === 0) return
          const keys = present.map((value) => boundOf(value)).toSorted(compare)
          const stored = [min?.[k], max?.[k]] as Uint8Array[]
          if (index === 2) {
            expect([compare(stored[0] ?? '', keys[0] ?? ''), compare(stored[1] ?? '', keys.at(-1) ?? '')]).toEqual([
              0, 0,
            ])
            return
          }
          const numbers = stored.map((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true))
          expect(numbers).toEqual([keys[0], keys.at(-1)])
        })
        expect(pages.length).toBeGreaterThan(index === 2 ? 0 : 2)
        expect(findNumber(bounds ?? [], 4)).toBe([1, rowStart === 0 ? 2 : 1, findNumber(bounds ?? [], 4)][index])
      }
      rowStart += rowCount
    }
    expect(rowStart).toBe(rows)
  })

  it('keys and values', async () => {
    writeTestTable(path, testTable([column(int32, [1], 'i')]), { keyValue: { origin: 'test' } })
    const pairs = await written.rowsOf(
      `select key::varchar as k, value::varchar as v from parquet_kv_metadata('${path}')`,
    )
    expect(pairs).toEqual([{ k: 'origin', v: 'test' }])
    expect(statSync(path).size).toBeGreaterThan(0)
  })
})
