/** Columns of bytes: through every operation, in and out of files, and as text where they are said to be. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { col, createEngine, DataFrame, DataType, type Engine, fromArrow, len, lit, SpillwayError } from './index.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-binary-'))
const at = (name: string): string => join(directory, name)
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const long = 'bytes that do not fit a view, \xff\xfe'
let engine: Engine

beforeAll(async () => {
  engine = createEngine({ threads: 1, memoryLimit: '512MB' })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const longValue = `'bytes that do not fit a view, '::blob || '\\xFF\\xFE'::blob`
  const values = `(1, '\\xFF\\x00'::blob), (2, null), (3, ${longValue}), (4, ''::blob)`
  await connection.run(
    `copy (select i::integer as id, b from (values ${values}) t(i, b)) to '${at('b.parquet')}' (format parquet)`,
  )
  await connection.run(
    `copy (select ('text ' || i)::blob as t from range(5) t(i)) to '${at('text.parquet')}' (format parquet)`,
  )
  connection.closeSync()
  instance.closeSync()
})
afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true })
})

const rows = [bytes('\xff\0'), null, bytes(long), bytes('')]
const valuesOf = (frame: DataFrame, name = 'b'): unknown[] => frame.getColumn(name).toArray()
const codeOf = async (run: () => unknown): Promise<string> => {
  try {
    await run()
    return 'no error'
  } catch (error) {
    return error instanceof SpillwayError ? error.code : String(error)
  }
}

describe('bytes', () => {
  it('are read, filtered, sorted, grouped and joined, byte by byte', async () => {
    const scan = engine.scanParquet(at('b.parquet'))
    expect(scan.schema).toEqual({ id: DataType.Int32, b: DataType.Binary })
    expect(valuesOf(await scan.collect())).toEqual(rows)
    expect(valuesOf(await scan.filter(col('b').eq(bytes(long))).collect(), 'id')).toEqual([3])
    expect(valuesOf(await scan.filter(col('b').isIn([bytes(''), bytes('\xff\0')])).collect(), 'id')).toEqual([1, 4])
    expect(valuesOf(await scan.filter(col('b').isNull()).collect(), 'id')).toEqual([2])
    expect(valuesOf(await scan.filter(col('b').gt(bytes('\x80'))).collect(), 'id')).toEqual([1])
    expect(valuesOf(await scan.sort('b').collect(), 'id')).toEqual([2, 4, 3, 1])
    expect(valuesOf(await scan.select(col('b').max()).collect())).toEqual([bytes('\xff\0')])
    expect(valuesOf(await scan.select(col('b').fillNull(lit(bytes('?')))).collect())[1]).toEqual(bytes('?'))
    const joined = await scan
      .join(scan.select('b', col('id').alias('other')), { on: 'b' })
      .sort('id')
      .collect()
    expect(valuesOf(joined, 'other')).toEqual([1, 3, 4])
    const grouped = await scan.groupBy('b').agg(len()).filter(col('b').isNotNull()).collect()
    expect(valuesOf(grouped, 'len')).toEqual([1n, 1n, 1n])
  })

  it('spill as text does', async () => {
    const many = Array.from({ length: 20_000 }, (_, row) => bytes(`\xff row ${row % 7000} and more than a view holds`))
    const frame = DataFrame({ b: many, n: Int32Array.from(many, (_, row) => row) }).lazy()
    const sorted = await frame.sort(['b', 'n']).collect()
    const expected = [...many.keys()].sort(
      (a, b) => Buffer.compare(many[a] as Uint8Array, many[b] as Uint8Array) || a - b,
    )
    expect(valuesOf(sorted, 'n')).toEqual(expected)
    expect((await frame.unique({ subset: ['b'] }).collect()).height).toBe(7000)
  })

  it('go through Parquet, IPC and Arrow as they are', async () => {
    const scan = engine.scanParquet(at('b.parquet'))
    await scan.sinkParquet(at('out.parquet'))
    await scan.sinkIpc(at('out.arrow'))
    const [parquet, ipc] = [engine.scanParquet(at('out.parquet')), engine.scanIpc(at('out.arrow'))]
    expect([parquet.schema, ipc.schema]).toEqual([scan.schema, scan.schema])
    for (const copy of [parquet, ipc]) expect(valuesOf(await copy.collect())).toEqual(rows)
    expect(valuesOf(fromArrow((await scan.collect()).toArrow()) as DataFrame)).toEqual(rows)
    const made = DataFrame({ b: rows })
    expect(made.schema).toEqual({ b: DataType.Binary })
    expect(made.toRecords().map(({ b }) => b)).toEqual(rows)
    expect(String(made)).toContain('\\xff00')
  })

  it('are neither text nor numbers', async () => {
    const scan = engine.scanParquet(at('b.parquet'))
    expect(await codeOf(() => scan.filter(col('b').eq('x')))).toBe('TYPE_MISMATCH')
    expect(await codeOf(() => scan.select(col('b').cast(DataType.Utf8)))).toBe('TYPE_MISMATCH')
    expect(await codeOf(() => scan.select(col('id').cast(DataType.Binary)))).toBe('TYPE_MISMATCH')
  })
})

describe('binaryAsString', () => {
  it('reads bytes as text that is checked, and says so in the plan', async () => {
    const scan = engine.scanParquet(at('text.parquet'), { binaryAsString: true, schema: { t: DataType.Utf8 } })
    expect(scan.describePlan()).toMatch(/columns 1\/1 binary as string$/)
    expect(valuesOf(await scan.filter(col('t').gtEq('text 3')).collect(), 't')).toEqual(['text 3', 'text 4'])
    expect(valuesOf(await scan.select(col('t').min()).collect(), 't')).toEqual(['text 0'])
    expect(valuesOf(await scan.readRowGroup(0).collect(), 't')).toHaveLength(5)
    expect(await codeOf(() => engine.scanParquet(at('b.parquet'), { binaryAsString: true }).collect())).toBe(
      'PARQUET_CORRUPT',
    )
    expect(await codeOf(() => engine.scanParquet(at('b.parquet'), { binaryAsString: 'yes' as never }))).toBe(
      'INVALID_OPTION',
    )
  })
})
