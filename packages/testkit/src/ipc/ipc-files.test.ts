/**
 * Arrow IPC files of other writers. Those of pyarrow are in `files` (make-files.py writes them): every type, with
 * uncompressed, LZ4 and zstd buffers, dictionaries, string views, columns that are left out. Their values follow from
 * the row number. Files of apache-arrow are written here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  Dictionary,
  Int16,
  LargeUtf8,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Table,
  tableFromArrays,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { col, createEngine, type DataType, type Engine, len, type LazyFrame, max, sum } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROWS = 150
const fileOf = (name: string): string => fileURLToPath(new URL(`../../src/ipc/files/${name}.arrow`, import.meta.url))
const every = (step: number, row: number, value: unknown): unknown => (row % step === 0 ? null : value)
const text = (row: number): string => 'x'.repeat(row % 20) + String(row)
const DAY_MS = 86_400_000
const FIRST_DAY_MS = Date.UTC(2020, 0, 1)

/** What row `row` of the files of pyarrow holds; decimals and microseconds as they print, times in milliseconds. */
function expectedRow(row: number): Record<string, unknown> {
  const cents = ((7 * row - 100) / 100).toFixed(2)
  return {
    i8: every(5, row, (row % 100) - 50),
    u8: row,
    i16: 0 - row,
    u16: every(7, row, row),
    i32: every(3, row, row),
    u32: row,
    i64: BigInt(row) * 10n ** 12n,
    u64: every(4, row, BigInt(row)),
    f32: row / 4,
    f64: every(6, row, row / 8),
    bool: every(5, row, row % 3 === 0),
    text: every(5, row, text(row)),
    large: text(row),
    view: every(7, row, text(row)),
    date: every(4, row, FIRST_DAY_MS + row * DAY_MS),
    date64: FIRST_DAY_MS + row * DAY_MS,
    ms: row,
    us: every(3, row, `1970-01-01 00:00:00.${(row / 1e6).toFixed(6).slice(2).replace(/0+$/, '')}`),
    dec32: every(3, row, cents),
    dec64: cents,
    dec128: every(7, row, cents),
    dict: every(9, row, `key number ${row % 10}`),
    dict8: `k${row % 10}`,
    dictInt: BigInt((row % 7) * 10),
    nothing: null,
    binary: Uint8Array.of(0x78),
    last: row,
  }
}

const kinds = {
  ...{ i8: 'int8', u8: 'uint8', i16: 'int16', u16: 'uint16', i32: 'int32', u32: 'uint32', i64: 'int64', u64: 'uint64' },
  ...{ f32: 'float32', f64: 'float64', bool: 'boolean', text: 'utf8', large: 'utf8', view: 'utf8', date: 'date' },
  ...{ date64: 'timestamp', ms: 'timestamp', us: 'timestamp', dec32: 'decimal', dec64: 'decimal', dec128: 'decimal' },
  ...{ dict: 'utf8', dict8: 'utf8', dictInt: 'int64', nothing: 'null', binary: 'binary', last: 'int32' },
}

const isPrinted = (type: DataType): boolean =>
  type.kind === 'decimal' || (type.kind === 'timestamp' && type.unit === 'us')

/** Times as milliseconds, decimals and microseconds as text, so that both sides compare. */
async function rowsOf(frame: LazyFrame, testing = {}): Promise<Record<string, unknown>[]> {
  const printed = frame.withColumns(
    ...frame.columns
      .filter((name) => isPrinted(frame.schema[name] as DataType))
      .map((name) => col(name).cast({ kind: 'utf8' })),
  )
  const records = (await printed.collect({ testing })).toRecords()
  return records.map((record) =>
    Object.fromEntries(
      Object.entries<unknown>(record).map(([name, value]) => [name, value instanceof Date ? value.getTime() : value]),
    ),
  )
}

let engine: Engine
const folder = mkdtempSync(join(tmpdir(), 'spillway-ipc-files-'))
beforeAll(() => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true })
})

describe.each(['plain', 'lz4', 'zstd'])('a file of pyarrow: %s', (name) => {
  it('has the schema and the rows', async () => {
    const frame = engine.scanIpc(fileOf(name))
    expect(Object.fromEntries(Object.entries(frame.schema).map(([key, type]) => [key, type.kind]))).toEqual(kinds)
    const expected = Array.from({ length: ROWS }, (_, row) => expectedRow(row))
    for (const testing of [{}, { batchRows: 1 }, { batchRows: 7, morselRows: 20 }, { poison: true }]) {
      const found = await rowsOf(frame, testing)
      expect(found).toEqual(expected)
    }
  })

  it('is read by row and column as the query needs', async () => {
    const scan = engine.scanIpc(fileOf(name))
    const filtered = scan.filter(col('dict').eq('key number 3'), col('last').gt(50)).select('view', 'last', 'dec32')
    const plan = await filtered.explain()
    expect(plan).toContain('IPC SCAN')
    expect(plan).toContain('columns 3/29 (left out: "nested" list, "struct" struct) predicate')
    const wanted = Array.from({ length: ROWS }, (_, row) => expectedRow(row)).filter(
      ({ dict, last }) => dict === 'key number 3' && Number(last) > 50,
    )
    for (const testing of [{}, { batchRows: 3, morselRows: 10 }]) {
      expect(await rowsOf(filtered, testing)).toEqual(wanted.map(({ view, last, dec32 }) => ({ view, last, dec32 })))
      const slice = scan.slice(58, 5).select('text')
      expect(await slice.explain()).toContain('slice 5 rows from 58')
      const texts = [58, 59, 60, 61, 62].map((row) => ({ text: expectedRow(row)['text'] }))
      expect((await slice.collect({ testing })).toRecords()).toEqual(texts)
    }
    expect((await scan.select(len()).collect()).toRecords()).toEqual([{ len: 150n }])
    const total = await engine
      .scanIpc([fileOf(name), fileOf('plain')])
      .select(sum('last'), max('view'))
      .collect()
    expect(total.toRecords()).toEqual([{ last: BigInt(ROWS * (ROWS - 1)), view: text(99) }])
  })

  it('names the columns that it leaves out', () => {
    const open = (column: string) => () =>
      engine.scanIpc(fileOf(name), { schema: { [column]: { kind: 'utf8' } } as const })
    expect(open('nested')).toThrow(
      `Unsupported type of column "nested" in ${fileOf(name)}: list; nested columns are not read`,
    )
    expect(open('struct')).toThrow('struct; nested')
  })
})

it('reads less of a file for fewer columns and rows', async () => {
  const path = join(folder, 'wide.arrow')
  const columns = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [`c${index}`, Float64Array.from({ length: 20_000 }, (__, row) => row)]),
  )
  writeFileSync(path, new RecordBatchFileWriter().writeAll(tableFromArrays(columns)).finish().toUint8Array(true))
  const scan = engine.scanIpc(path)
  const bytesOf = async (frame: LazyFrame): Promise<number> => (await frame.collect()).metrics?.bytesRead ?? Number.NaN
  expect(await bytesOf(scan)).toBeGreaterThan(1.6e6)
  expect(await bytesOf(scan.select('c3'))).toBeLessThan(0.2e6)
  expect(await bytesOf(scan.slice(10_000, 100))).toBeLessThan(0.02e6)
  // Of the other columns no row is wanted.
  expect(await bytesOf(scan.filter(col('c1').lt(0)))).toBeLessThan(0.2e6)
})

describe('files of apache-arrow', () => {
  const write = (name: string, table: Table): string => {
    const path = join(folder, name)
    writeFileSync(path, RecordBatchFileWriter.writeAll(table).toUint8Array(true))
    return path
  }
  const texts = Array.from({ length: 100 }, (_, row) => (row % 7 === 0 ? null : text(row)))

  it('dictionaries, large strings, several files of other storage', async () => {
    const plain = new Table({ t: vectorFromArray(texts, new Utf8()) })
    const large = new Table({ t: vectorFromArray(texts, new LargeUtf8()) })
    const coded = new Table({ t: vectorFromArray(texts, new Dictionary(new Utf8(), new Int16())) })
    const paths = [write('p.arrow', plain), write('l.arrow', large), write('d.arrow', coded)]
    const all = (await engine.scanIpc(paths).collect({ testing: { batchRows: 9 } })).toRecords()
    expect(all.map(({ t }) => t)).toEqual([...texts, ...texts, ...texts])
    expect((await engine.scanIpc(join(folder, '[pld].arrow')).select(len()).collect()).toRecords()).toEqual([
      { len: 300n },
    ])
  })

  it('typed errors for what is no such file', () => {
    const path = join(folder, 'stream.arrows')
    const table = new Table({ t: vectorFromArray(texts, new Utf8()) })
    writeFileSync(path, RecordBatchStreamWriter.writeAll(table).toUint8Array(true))
    expect(() => engine.scanIpc(path)).toThrow(/Not an Arrow IPC file.*Streams/)
    writeFileSync(path, '')
    expect(() => engine.scanIpc(path)).toThrow('Not an Arrow IPC file')
    expect(() => engine.scanIpc(join(folder, 'none.arrow'))).toThrow('no Arrow IPC file matches')
    const other = write('other.arrow', new Table({ t: vectorFromArray([1, 2], new Int16()) }))
    expect(() => engine.scanIpc([join(folder, 'p.arrow'), other])).toThrow('Files of one scan differ')
  })

  it('a file that changes after it was opened', async () => {
    const path = write('changing.arrow', new Table({ t: vectorFromArray(texts, new Utf8()) }))
    const frame = engine.scanIpc(path)
    write('changing.arrow', new Table({ t: vectorFromArray([1, 2, 3], new Int16()) }))
    await expect(frame.collect()).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
  })
})

it('strings longer than a batch has room for, under a small limit', async () => {
  const path = join(folder, 'long.arrow')
  const long = Array.from({ length: 60 }, (_, row) => (row % 9 === 0 ? null : String(row % 10).repeat(row * 3001)))
  const table = new Table({ t: vectorFromArray(long, new Utf8()), u: vectorFromArray(long, new LargeUtf8()) })
  writeFileSync(path, RecordBatchFileWriter.writeAll(table).toUint8Array(true))
  const frame = engine.scanIpc(path)
  const copy = join(folder, 'copy.arrow')
  await frame.sinkIpc(copy, { testing: { budgetPages: 400 } })
  const found = (await engine.scanIpc(copy).collect()).toRecords()
  expect(found).toEqual(long.map((t) => ({ t, u: t })))
  const seven = await frame.filter(col('u').eq('7'.repeat(7 * 3001))).collect()
  expect(seven.toRecords()).toEqual([{ t: '7'.repeat(7 * 3001), u: '7'.repeat(7 * 3001) }])
})
