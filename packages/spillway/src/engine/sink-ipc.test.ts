/** `sinkIpc`: what apache-arrow finds in the file, its order, its record batches, and that faults leave nothing. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Table, tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { col, createEngine, DataType, intRange, LazyFrame, lit, when } from '../index.ts'
import type { Engine } from './engine.ts'

const folder = mkdtempSync(join(tmpdir(), 'spillway-sink-ipc-'))
const target = join(folder, 'target.arrow')
const ROWS = 50_000
let engine: Engine

beforeAll(() => {
  engine = createEngine({ threads: 2, memoryLimit: '1GB' })
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true })
})

const numbers = (rows = ROWS) =>
  LazyFrame({ n: intRange(0, rows) }, { session: engine }).select(
    'n',
    when(col('n').mod(3).eq(0))
      .then(null)
      .otherwise(col('n').cast(DataType.Int16, { strict: false }))
      .alias('small'),
    col('n').cast(DataType.Utf8).alias('text'),
    col('n').mod(2).eq(0).alias('even'),
  )

const written = (): Table => tableFromIPC(readFileSync(target))
const batchRows = (): number[] => written().batches.map((batch) => batch.numRows)

function expectNumbers(table: Table, rows = ROWS): void {
  expect(table.numRows).toBe(rows)
  let row = 0
  for (const { n, small, text, even } of table) {
    const isSmall = row % 3 !== 0 && row < 32_768
    if (n !== BigInt(row) || small !== (isSmall ? row : null) || text !== String(row) || even !== (row % 2 === 0)) {
      expect({ row, n, small, text, even }).toBeUndefined()
    }
    row += 1
  }
}

describe('sinkIpc', () => {
  it('keeps rows, nulls and order with several workers', async () => {
    const testing = { morselRows: 700, batchRows: 300 }
    const result = await numbers().sinkIpc(target, { threads: 2, recordBatchSize: 1500, testing })
    expect(result).toMatchObject({ rowCount: ROWS, path: target })
    expectNumbers(written())
    expect(result.bytes).toBe(readFileSync(target).byteLength)
    expect(Math.max(...batchRows())).toBeLessThanOrEqual(1500)
    expect(readdirSync(folder)).toEqual(['target.arrow'])
  })

  it('one worker fills every record batch but the last', async () => {
    const testing = { morselRows: 1000, batchRows: 300 }
    await numbers().sinkIpc(target, { recordBatchSize: 7000, threads: 1, testing })
    expect(batchRows()).toEqual([...new Array<number>(7).fill(7000), 1000])
    await numbers().filter(col('n').mod(2).eq(0)).sinkIpc(target, { recordBatchSize: 3500, threads: 1, testing })
    expect(batchRows()).toEqual([...new Array<number>(7).fill(3500), 500])
    expect([...written().getChild('n')!].every((n, row) => n === BigInt(2 * row))).toBe(true)
    // Smaller than the batches that come in.
    await numbers(1000).sinkIpc(target, { recordBatchSize: 70, threads: 1, testing })
    expect(batchRows()).toEqual([...new Array<number>(14).fill(70), 20])
    expectNumbers(written(), 1000)
  })

  it('writes strings of any length', async () => {
    const texts = Array.from({ length: 300 }, (_, row) => (row % 7 === 0 ? null : 'x'.repeat(row * 1000 + row)))
    await LazyFrame({ text: texts }, { session: engine }).sinkIpc(target, { recordBatchSize: 100 })
    expect([...written().getChild('text')!]).toEqual(texts)
    expect(batchRows().some((rows) => rows === 1)).toBe(true)
  })

  it('writes a file without rows, and every type', async () => {
    const empty = await numbers().filter(col('n').lt(0)).sinkIpc(target)
    expect(empty.rowCount).toBe(0)
    expect(written().numRows).toBe(0)
    expect(written().schema.fields.map(({ name }) => name)).toEqual(['n', 'small', 'text', 'even'])
    const types = [
      ...[DataType.Int8, DataType.UInt8, DataType.UInt16, DataType.UInt32, DataType.UInt64],
      ...[DataType.Float32, DataType.Float64, DataType.Date, DataType.Decimal(30, 3)],
      ...(['s', 'ms', 'us', 'ns'] as const).map((unit) => ({ kind: 'timestamp', unit, timezone: undefined }) as const),
    ]
    const columns = types.map((type, index) => {
      const isTime = type.kind === 'date' || type.kind === 'timestamp'
      return (isTime ? lit('2020-01-02') : col('n')).cast(type).alias(`c${index}`)
    })
    await LazyFrame({ n: intRange(0, 100) }, { session: engine })
      .select(...columns, lit(null).alias('nothing'))
      .sinkIpc(target)
    const table = written()
    expect(table.schema.fields.map(({ type }) => String(type))).toEqual([
      ...['Int8', 'Uint8', 'Uint16', 'Uint32', 'Uint64', 'Float32', 'Float64', 'Date32<DAY>', 'Decimal[30e+3]'],
      ...['SECOND', 'MILLISECOND', 'MICROSECOND', 'NANOSECOND'].map((unit) => `Timestamp<${unit}>`),
      'Null',
    ])
    expect(table.get(99)?.toJSON()).toMatchObject({ c0: 99, c4: 99n, c5: 99, nothing: null })
  })

  it('a small limit gives smaller record batches', async () => {
    const wide = LazyFrame({ n: intRange(0, 200_000) }, { session: engine }).select(
      ...Array.from({ length: 40 }, (_, index) => col('n').add(index).cast(DataType.Utf8).alias(`c${index}`)),
    )
    await wide.sinkIpc(target, { testing: { budgetPages: 1000 } })
    expect(Math.max(...batchRows())).toBeLessThan(65_536)
    expect(written().numRows).toBe(200_000)
  })

  it('fails with a typed error and leaves nothing', async () => {
    rmSync(target)
    await expect(numbers().sinkIpc(join(folder, 'no', 'such.arrow'))).rejects.toMatchObject({ code: 'OUTPUT_FAILED' })
    const failing = numbers().select(col('n').cast(DataType.Int8))
    await expect(failing.sinkIpc(target)).rejects.toMatchObject({ code: 'CAST_FAILED' })
    const signal = AbortSignal.timeout(5)
    await expect(numbers(50_000_000).sinkIpc(target, { signal })).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(readdirSync(folder)).toEqual([])
    expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
    await expect(numbers().sinkIpc(target, { recordBatchSize: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})
