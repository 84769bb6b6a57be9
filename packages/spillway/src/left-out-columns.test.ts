/** Columns that cannot be read: named wherever they are asked for, and never forgotten silently. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Field as ArrowField, Int32, List, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import { writeFileSync } from 'node:fs'
import { LEFT_OUT_WARNING } from './engine/left-out-warning.ts'
import {
  col,
  collectAll,
  concat,
  createEngine,
  DataType,
  type Engine,
  len,
  type LazyFrame,
  SpillwayError,
} from './index.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-left-out-'))
const at = (name: string): string => join(directory, name)
let engine: Engine

async function write(name: string, sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`copy (${sql}) to '${at(name)}' (format parquet)`)
  connection.closeSync()
  instance.closeSync()
}

beforeAll(async () => {
  engine = createEngine({ threads: 1 })
  await write('a.parquet', `select 1::bigint as id, 'x' as name, [1] as tags, {'x': 1} as point, uuid() as key`)
  await write('b.parquet', `select 2::bigint as id, 'y' as name, 7 as tags, 1.5::double as more`)
  await write('plain.parquet', `select 1::bigint as id, 5::integer as size`)
  const list = vectorFromArray([[1], [2]], new List(new ArrowField('item', new Int32(), true)))
  const table = new Table({
    tags: list,
    id: vectorFromArray([1, 2], new Int32()),
    name: vectorFromArray(['x', 'y'], new Utf8()),
  })
  writeFileSync(at('a.arrow'), tableToIPC(table, 'file'))
})
afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true })
})

const errorOf = (run: () => unknown): string => {
  try {
    run()
    return 'no error'
  } catch (error) {
    if (!(error instanceof SpillwayError)) throw error
    return `${error.code}: ${error.message}`
  }
}

/** What asks for a column, in every way there is. */
const ways: Readonly<Record<string, (frame: LazyFrame, column: string, other: LazyFrame) => unknown>> = {
  select: (frame, column) => frame.select(column),
  filter: (frame, column) => frame.filter(col(column).isNotNull()),
  withColumns: (frame, column) => frame.withColumns(col(column).alias('copy')),
  rename: (frame, column) => frame.rename({ [column]: 'other' }),
  sort: (frame, column) => frame.sort(column),
  groupBy: (frame, column) => frame.groupBy(column).agg(len()),
  agg: (frame, column) => frame.groupBy('id').agg(col(column).first()),
  unique: (frame, column) => frame.unique({ subset: [column] }),
  'join key, left': (frame, column, other) => frame.join(other, { leftOn: column, rightOn: 'id' }),
  'join key, right': (frame, column, other) => other.join(frame, { leftOn: 'id', rightOn: column }),
  'behind a filter and a sort': (frame, column) => frame.filter(col('id').gt(0)).sort('id').head(1).select(column),
  'behind withColumns, rename, drop': (frame, column) =>
    frame.withColumns(col('id').add(1).alias('next')).rename({ next: 'after' }).drop('name').select(column),
  'behind a join': (frame, column, other) => frame.join(other, { on: 'id' }).select(column),
  'behind a full join': (frame, column, other) =>
    other.join(frame, { on: 'id', how: 'full', coalesce: true }).select(column),
  'behind concat': (frame, column) => concat([frame, frame]).select(column),
  'behind unique and a row index': (frame, column) => frame.unique().withRowIndex().select(column),
}

describe.each([
  ['Parquet', () => engine.scanParquet(at('a.parquet')) as unknown as LazyFrame, 'a.parquet'],
  ['IPC', () => engine.scanIpc(at('a.arrow')) as unknown as LazyFrame, 'a.arrow'],
])('a column of an unsupported type in %s', (_, scan, file) => {
  it.each(Object.keys(ways))('%s names file, column, type and reason', (way) => {
    const other = engine.scanParquet(at('plain.parquet')) as unknown as LazyFrame
    const where = `column "tags" in ${at(file)}`
    const expected = `UNSUPPORTED_TYPE: Unsupported type of ${where}: list; nested columns are not read.`
    expect(errorOf(() => ways[way]?.(scan(), 'tags', other))).toContain(expected)
  })
  it('the other columns are read, and the plan says what was left out', async () => {
    expect(scan().leftOut).toMatchObject([{ name: 'tags', type: 'list', file: at(file) }, ...scan().leftOut.slice(1)])
    expect(await scan().select('id').explain()).toContain('(left out: "tags" list')
    expect((await scan().select('name').head(1).collect()).toRecords()).toEqual([{ name: 'x' }])
  })
  it('it may be dropped, or replaced, and is gone then', async () => {
    const dropped = scan().drop(...scan().leftOut.map(({ name }) => name))
    expect(dropped.leftOut).toEqual([])
    expect(errorOf(() => dropped.select('tags'))).toMatch(/^COLUMN_NOT_FOUND/)
    const replaced = scan().withColumns(col('id').alias('tags'))
    expect(replaced.leftOut.map(({ name }) => name)).not.toContain('tags')
    expect((await replaced.select('tags').head(1).collect()).height).toBe(1)
  })
})

describe('what a result lacks', () => {
  const warningsOf = async (run: () => Promise<unknown>): Promise<string[]> => {
    const warnings: string[] = []
    const listen = (warning: Error & { code?: string }): void => {
      if (warning.code === LEFT_OUT_WARNING) warnings.push(warning.message)
    }
    process.on('warning', listen)
    try {
      await run()
      // Warnings are emitted at the next turn.
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.off('warning', listen)
    }
    return warnings
  }

  it('is a warning once per file, and stands in the result', async () => {
    await write('warned.parquet', `select 1::bigint as id, [1] as tags`)
    const frame = engine.scanParquet(at('warned.parquet'))
    expect(await warningsOf(() => frame.select('id').collect())).toEqual([])
    expect(await warningsOf(() => frame.drop('tags').collect())).toEqual([])
    const [text, ...more] = await warningsOf(() => frame.collect())
    expect(more).toEqual([])
    expect(text).toContain(`Columns left out of the result: "tags" (list) of ${at('warned.parquet')} cannot be read.`)
    expect(await warningsOf(() => frame.collect())).toEqual([])
    expect((await frame.collect()).leftOut).toMatchObject([{ name: 'tags', type: 'list' }])
  })

  it('is a warning of every end of a query', async () => {
    const ends: readonly ((frame: LazyFrame) => Promise<unknown>)[] = [
      (frame) => frame.sinkParquet(at('out.parquet')),
      (frame) => frame.sinkIpc(at('out.arrow')),
      (frame) => collectAll([frame]),
      async (frame) => {
        for await (const batch of frame.collectBatches()) expect(batch.numRows).toBe(1)
      },
    ]
    for (const [index, end] of ends.entries()) {
      const name = `end-${index}.parquet`
      await write(name, `select 1::bigint as id, [1] as tags`)
      expect(await warningsOf(() => end(engine.scanParquet(at(name)) as unknown as LazyFrame))).toHaveLength(1)
    }
  })
})

describe('files that differ', () => {
  it('are read where the schema names what they have in common', async () => {
    const paths = [at('a.parquet'), at('b.parquet')]
    const schema = { id: DataType.Int64, name: DataType.Utf8 }
    const frame = await engine.scanParquet(paths, { schema }).collect()
    expect(frame.toRecords()).toEqual([
      { id: 1n, name: 'x' },
      { id: 2n, name: 'y' },
    ])
    expect(frame.leftOut).toEqual([])
    expect(errorOf(() => engine.scanParquet(paths))).toMatch(
      /^SCHEMA_MISMATCH: .*name the common columns with the option/,
    )
    const withTags = { ...schema, tags: DataType.Int32 }
    expect(errorOf(() => engine.scanParquet(paths, { schema: withTags }))).toMatch(
      /^SCHEMA_MISMATCH: .*"tags" can be read/,
    )
    expect(errorOf(() => engine.scanParquet(paths.toReversed(), { schema: withTags }))).toMatch(
      /^SCHEMA_MISMATCH: .*"tags" cannot be read \(list; nested columns are not read\) in .*a\.parquet/,
    )
    expect(errorOf(() => engine.scanParquet([...paths, at('plain.parquet')], { schema }))).toMatch(
      /^SCHEMA_MISMATCH: .*"name" is missing in .*plain\.parquet/,
    )
  })

  it('what any of them cannot read is named', () => {
    const frame = engine.scanParquet([at('plain.parquet'), at('a.parquet')], { schema: { id: DataType.Int64 } })
    expect(errorOf(() => frame.select('tags'))).toMatch(/^COLUMN_NOT_FOUND/)
    const concatenated = () =>
      concat([
        engine.scanParquet(at('a.parquet')).select('id', 'name'),
        engine.scanParquet(at('b.parquet')).select('id', 'name'),
      ])
    expect(concatenated().leftOut).toEqual([])
    const uneven = [
      engine.scanParquet(at('a.parquet')),
      engine.scanParquet(at('b.parquet')).select('id', 'name', 'tags'),
    ]
    expect(errorOf(() => concat(uneven as never))).toMatch(/^UNSUPPORTED_TYPE: .*"tags" in .*a\.parquet/)
  })
})
