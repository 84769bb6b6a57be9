/** DELTA_BINARY_PACKED pages: when they are written, and that four readers find the values in them. */
import { DuckDBInstance } from '@duckdb/node-api'
import { type DataType, typeName } from '@spillway/columnar'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pageCodec } from './page-codec.ts'
import { plainWriting, testTable, type TestTable, type TestValue, writeTestTable } from './write-test-table.ts'
import { WrittenFile } from '../testing/written-file.ts'

let file: WrittenFile
let path: string

beforeAll(async () => {
  file = await WrittenFile.open(await (await DuckDBInstance.create(':memory:')).connect())
  path = file.path
})
afterAll(() => file.close())

const types: readonly DataType[] = [
  ...(['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'date'] as const).map((kind) => ({
    kind,
  })),
  { kind: 'timestamp', unit: 'us', timezone: undefined },
  { kind: 'decimal', precision: 9, scale: 2 },
  { kind: 'decimal', precision: 18, scale: 3 },
]

const bitsOf = (type: DataType): number =>
  type.kind === 'decimal'
    ? type.precision <= 9
      ? 29
      : 59
    : Number(/\d+$/.exec(type.kind)?.[0] ?? (type.kind === 'date' ? 22 : 50))
const isUnsigned = (type: DataType): boolean => type.kind.startsWith('u')
const isWide = (type: DataType): boolean =>
  type.kind === 'decimal' || type.kind === 'timestamp' || type.kind.endsWith('64')

/** The value of a type whose lowest bits are those of `number`. */
function storedValue(type: DataType, number: bigint): TestValue {
  const value = isUnsigned(type) ? BigInt.asUintN(bitsOf(type), number) : BigInt.asIntN(bitsOf(type), number)
  return isWide(type) ? value : Number(value)
}

let state = 1n
function random(): bigint {
  state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n)
  return (state >> 33n) * (state >> 29n)
}

function makeValues(type: DataType, rows: number, next: (row: number) => bigint): TestValue[] {
  return Array.from({ length: rows }, (_, row) => (row % 11 === 3 ? null : storedValue(type, next(row))))
}

const tableOf = (next: (row: number) => bigint, rows: number): TestTable =>
  testTable(types.map((type) => [{ name: typeName(type), type, nullable: true }, makeValues(type, rows, next)]))

function expectByParquetWasm(table: TestTable): void {
  const found = file.readWithWasm(table)
  table.schema.fields.forEach(({ name }, index) => {
    expect([name, found[index]?.map(String).join()]).toEqual([name, table.columns[index]?.map(String).join()])
  })
}

/** As whole numbers, which dates, timestamps and decimals are stored as. */
async function expectByDuckdb({ schema, columns }: TestTable): Promise<void> {
  for (const [index, { name, type }] of schema.fields.entries()) {
    const whole =
      type.kind === 'date'
        ? `("${name}" - date '1970-01-01')`
        : type.kind === 'timestamp'
          ? `epoch_us("${name}")`
          : type.kind === 'decimal'
            ? `("${name}" * ${10 ** type.scale})::hugeint`
            : `"${name}"`
    const rows = await file.rowsOf(`select ${whole}::varchar as v from '${path}'`)
    expect([name, rows.map(({ v }) => String(v)).join()]).toEqual([name, columns[index]?.map(String).join()])
  }
}

async function expectByHyparquet({ schema, columns }: TestTable): Promise<void> {
  const objects = await file.readWithHyparquet()
  for (const [index, { name, type }] of schema.fields.entries()) {
    if (!type.kind.includes('int')) continue
    const found = objects.map((row) => String(row[name] ?? null)).join()
    expect([name, found]).toEqual([name, columns[index]?.map(String).join()])
  }
}

const writing = { ...plainWriting, dictionaryEntries: 0 }

describe('delta encoded pages', () => {
  it.each(['uncompressed', 'snappy', 'zstd'] as const)(
    '%s: four readers find all values',
    async (compression) => {
      const codec = pageCodec(compression, undefined)
      const patterns: Record<string, (row: number) => bigint> = {
        rising: (row) => BigInt(row) * 3n,
        // Signs change and sums wrap around, with small differences in between.
        edges: (row) => (row % 500 < 450 ? BigInt(row) : row % 2 === 0 ? 1n << 62n : (1n << 63n) | (1n << 31n) | 127n),
        noisy: (row) => BigInt(row) * 100n + (random() & 31n),
      }
      for (const next of Object.values(patterns)) {
        for (const [rows, pageBytes] of [
          [1, 1 << 20],
          [130, 1 << 20],
          [5000, 4000],
          [45_000, 1 << 20],
        ] as const) {
          const table = tableOf(next, rows)
          writeTestTable(path, table, { ...writing, codec, pageBytes, rowGroupRows: 30_000 })
          expectByParquetWasm(table)
          if (rows > 5000) continue
          await expectByDuckdb(table)
          // It has no zstd of its own.
          if (compression !== 'zstd') await expectByHyparquet(table)
        }
      }
      const stored = await file.encodingsOf('int64')
      expect(stored.every((each) => String(each).includes('DELTA_BINARY_PACKED'))).toBe(true)
    },
    120_000,
  )

  it('only where they are shorter: scattered values are PLAIN, and tried again after eight row groups', async () => {
    const [int64, rows] = [{ kind: 'int64' } as const, 20_000]
    const values = Array.from({ length: rows }, (_, row) =>
      row < 1000 ? BigInt.asIntN(64, random() * random()) : BigInt(row),
    )
    writeTestTable(path, testTable([[{ name: 'x', type: int64, nullable: true }, values]]), {
      ...writing,
      rowGroupRows: 1000,
    })
    const plain = (await file.encodingsOf('x')).map((each) => String(each).includes('PLAIN'))
    expect(plain).toEqual([...new Array<boolean>(8).fill(true), ...new Array<boolean>(12).fill(false)])
    expect(await file.rowsOf(`select sum(x)::hugeint::varchar as s from '${path}'`)).toEqual([
      { s: String(values.reduce((sum, value) => sum + value, 0n)) },
    ])
  })

  it('differences, too, are tried again after eight row groups', async () => {
    // What repeats after 17 values repeats in PLAIN bytes, but not in packed differences.
    const some = Array.from({ length: 17 }, () => BigInt.asUintN(40, random() * random()))
    const values = Array.from({ length: 20_000 }, (_, row) => (row < 1000 ? BigInt(row) : (some[row % 17] as bigint)))
    writeTestTable(path, testTable([[{ name: 'x', type: { kind: 'int64' }, nullable: true }, values]]), {
      ...writing,
      codec: pageCodec('snappy', undefined),
      rowGroupRows: 1000,
    })
    const plain = (await file.encodingsOf('x')).map((each) => !String(each).includes('DELTA'))
    expect(plain).toEqual([...new Array<boolean>(8).fill(false), ...new Array<boolean>(12).fill(true)])
  })

  it('within a chunk a page that would get longer is PLAIN', async () => {
    const values = Array.from({ length: 30_000 }, (_, row) =>
      row < 20_000 ? BigInt(row) : BigInt.asIntN(64, random() * random()),
    )
    const table = testTable([[{ name: 'x', type: { kind: 'int64' }, nullable: true }, values]])
    writeTestTable(path, table, { ...writing, pageBytes: 40_000 })
    expect(await file.encodingsOf('x')).toEqual(['PLAIN, RLE, DELTA_BINARY_PACKED'])
    expectByParquetWasm(table)
    await expectByDuckdb(table)
  })
})
