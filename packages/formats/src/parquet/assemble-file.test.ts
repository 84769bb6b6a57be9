/** Encoding and assembling, judged by DuckDB and by the decoder. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { makeExactReader, makeSchema } from '@spillway/columnar'
import type { DataType } from '@spillway/columnar'
import { readParquet } from 'parquet-wasm/esm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { beginOutputFile, discardOutputFile, endOutputFile, commitOutputFiles } from '../output/index.ts'
import { PARQUET_HEADER, parquetTail } from './assemble-file.ts'
import { ParquetDecoder } from './testing/decoder.ts'
import { readFileMeta } from './footer.ts'
import { testTable, writeTestTable } from './native-writer/write-test-table.ts'
import { parquetWasmModule } from './testing/wasm-module.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-assemble-'))
let duckdb: DuckDBConnection
let decoder: ParquetDecoder

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
  await duckdb.run(`set timezone = 'UTC'`)
  decoder = new ParquetDecoder(await parquetWasmModule())
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

async function count(sql: string): Promise<number> {
  return Number((await duckdb.runAndReadAll(sql)).getRows()[0]?.[0])
}

const int64: DataType = { kind: 'int64' }

/** Numbered rows in row groups of 700, whose bodies are written in the order of `placing`. */
function assemble(name: string, rows: number, placing: readonly number[]): string {
  const target = join(directory, name)
  const values = Array.from({ length: rows }, (_, row) => BigInt(row))
  const texts = values.map((value) => (value % 5n === 1n ? null : `text ${value}`))
  const table = testTable([
    [{ name: 'i', type: int64, nullable: false }, values],
    [{ name: 't', type: { kind: 'utf8' }, nullable: true }, texts],
  ])
  writeTestTable(target, table, { rowGroupRows: 700, placing, keyValue: { origin: 'test' } })
  return target
}

describe('assembled files', () => {
  it('have the row groups in the order given, wherever their bodies lie', async () => {
    const path = assemble('assembled.parquet', 2000, [2, 0, 1])
    const meta = readFileMeta(path)
    expect(meta.rowGroups.map(({ rowCount }) => rowCount)).toEqual([700, 700, 600])
    expect(meta.rowGroups.map(({ chunks }) => [chunks['i']?.min, chunks['i']?.max])).toEqual([
      [0n, 699n],
      [700n, 1399n],
      [1400n, 1999n],
    ])
    const offsets = meta.rowGroups.map(({ chunks }) => chunks['i']?.offset ?? 0)
    expect([...offsets].sort((a, b) => a - b)).toEqual([offsets[2], offsets[0], offsets[1]])
    expect(await count(`select count(*) from '${path}' where t is null and i % 5 = 1`)).toBe(400)
    expect(await count(`select count(*) from '${path}' where t = 'text ' || i`)).toBe(1600)
    expect(await count(`select count(*) from '${path}' where i >= 1000 and t is not null`)).toBe(800)
    const order: bigint[] = []
    for (let rowGroup = 0; rowGroup < 3; rowGroup++) {
      for (const batch of decoder.decode(path, meta, rowGroup, ['i'], 256).batches) {
        const [column] = batch.columns
        if (column === undefined) continue
        const read = makeExactReader(column)
        for (let row = 0; row < batch.rowCount; row++) order.push(read(row) as bigint)
      }
    }
    expect(order).toEqual(Array.from({ length: 2000 }, (_, i) => BigInt(i)))
    expect(readParquet(readFileSync(path)).numBatches).toBeGreaterThan(0)
  })

  it('may be empty, with every type', async () => {
    const types: DataType[] = [
      ...(['null', 'boolean', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const).map(
        (kind) => ({ kind }),
      ),
      ...(['float32', 'float64', 'utf8', 'date'] as const).map((kind) => ({ kind })),
      ...(['ms', 'us', 'ns'] as const).map((unit) => ({ kind: 'timestamp' as const, unit, timezone: undefined })),
      { kind: 'timestamp', unit: 'us', timezone: 'UTC' },
      ...[1, 9, 10, 18, 19, 38].map((precision) => ({ kind: 'decimal' as const, precision, scale: 1 })),
    ]
    const schema = makeSchema(types.map((type, index) => ({ name: `c${index}`, type, nullable: index % 2 === 0 })))
    const target = join(directory, 'empty.parquet')
    const temporary = `${target}.tmp`
    beginOutputFile(temporary, PARQUET_HEADER)
    endOutputFile(temporary, parquetTail({ rowGroups: [], schema, rowCount: 0, keyValue: {} }))
    commitOutputFiles([{ temporary, target }])
    expect(readFileMeta(target).schema).toEqual(schema)
    expect(await count(`select count(*) from '${target}'`)).toBe(0)
    const described = await duckdb.runAndReadAll(`describe from '${target}'`)
    expect(
      described
        .getRows()
        .map((row) => row[1])
        .slice(1, 13),
    ).toEqual(
      'BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE VARCHAR'.split(' '),
    )
  })

  it('are refused when rows are missing, and leave nothing behind', () => {
    const target = join(directory, 'short.parquet')
    const temporary = `${target}.tmp`
    beginOutputFile(temporary, PARQUET_HEADER)
    const parts = { rowGroups: [], schema: makeSchema([]), rowCount: 5, keyValue: {} }
    expect(() => parquetTail(parts)).toThrow(/0 of 5 rows/)
    discardOutputFile(temporary)
    discardOutputFile(temporary)
    expect(existsSync(temporary)).toBe(false)
    expect(readdirSync(directory).filter((name) => name.includes('.tmp'))).toEqual([])
    expect(() => beginOutputFile(join(directory, 'no', 'such', 'x.tmp'), PARQUET_HEADER)).toThrow(
      /cannot be written.*ENOENT/,
    )
  })
})
