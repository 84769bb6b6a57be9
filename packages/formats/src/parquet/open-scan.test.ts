/** Finding files, their common schema, and the cache of footers. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { SpillwayError } from '@spillway/stdx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expandPaths } from '../paths/expand-paths.ts'
import { columnError, requireChunk } from './file-meta.ts'
import { readFileMeta, rememberFileMeta } from './footer.ts'
import { openParquetScan } from './open-scan.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-scan-'))
const instance = await DuckDBInstance.create(':memory:')
const duckdb = await instance.connect()
const at = (name: string): string => join(directory, name)
const write = (name: string, sql: string) => duckdb.run(`copy (${sql}) to '${at(name)}' (format parquet)`)

beforeAll(async () => {
  for (const name of ['a', 'a/b', 'a/b/c', 'a/.hidden', 'odd']) mkdirSync(at(name))
  await write('a/2.parquet', 'select 2::integer as x, 20 as y')
  for (const name of ['a/1.parquet', 'a/10.parquet', 'a/b/3.parquet', 'a/b/c/4.parquet', 'a/.hidden/5.parquet']) {
    copyFileSync(at('a/2.parquet'), at(name))
  }
  copyFileSync(at('a/2.parquet'), at('odd/[x].parquet'))
  writeFileSync(at('a/notes.txt'), 'not parquet')
  symlinkSync(at('a'), at('a/b/loop'))
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'no error'
  } catch (error) {
    return error instanceof SpillwayError ? error.code : String(error)
  }
}

describe('expandPaths', () => {
  const expand = (...patterns: string[]): string[] =>
    expandPaths(patterns.map(at), { name: 'Parquet', extensions: ['.parquet'] }).map((path) =>
      path.slice(directory.length + 1),
    )

  it('files, directories and globs, sorted', () => {
    expect(expand('a/2.parquet', 'a/1.parquet')).toEqual(['a/2.parquet', 'a/1.parquet'])
    // With what is below it, but for hidden directories.
    expect(expand('a')).toEqual(['a/1.parquet', 'a/10.parquet', 'a/2.parquet', 'a/b/3.parquet', 'a/b/c/4.parquet'])
    expect(expand('a/*.parquet')).toEqual(['a/1.parquet', 'a/10.parquet', 'a/2.parquet'])
    expect(expand('a/?.parquet')).toEqual(['a/1.parquet', 'a/2.parquet'])
    expect(expand('a/[2-9]*')).toEqual(['a/2.parquet'])
    expect(expand('a/[!2]*.parquet')).toEqual(['a/1.parquet', 'a/10.parquet'])
    expect(expand('a/**/*.parquet')).toEqual([
      'a/1.parquet',
      'a/10.parquet',
      'a/2.parquet',
      'a/b/3.parquet',
      'a/b/c/4.parquet',
    ])
    expect(expand('**/c/*.parquet')).toEqual(['a/b/c/4.parquet'])
    expect(expand('a/{1,b/{3,c/4},none}.parquet')).toEqual(['a/1.parquet', 'a/b/3.parquet', 'a/b/c/4.parquet'])
    expect(expand('a/.hid*/*.parquet')).toEqual(['a/.hidden/5.parquet'])
    expect(expand('odd/[x].parquet')).toEqual(['odd/[x].parquet'])
    expect(expand('*/*/3.parquet')).toEqual(['a/b/3.parquet'])
  })

  it('names that stand for nothing', () => {
    for (const pattern of [
      'none.parquet',
      'a/*.none',
      'none/*.parquet',
      'a/{x,y}.parquet',
      'a/{1.parquet',
      'odd/none',
    ]) {
      expect(
        codeOf(() => expand(pattern)),
        pattern,
      ).toBe('FILE_NOT_FOUND')
    }
  })
})

describe('openParquetScan', () => {
  it('opens several files', () => {
    const scan = openParquetScan(at('a'))
    expect(scan.files).toHaveLength(5)
    expect(scan.rowCount).toBe(5)
    expect(scan.fileSchema.fields).toEqual([
      { name: 'x', type: { kind: 'int32' }, nullable: true },
      { name: 'y', type: { kind: 'int32' }, nullable: true },
    ])
  })

  it('names file and column of a difference', async () => {
    await write('type.parquet', `select 2::bigint as x, 20 as y`)
    await write('missing.parquet', `select 2 as x`)
    await write('more.parquet', `select 2 as x, 20 as y, 1 as z`)
    await write('order.parquet', `select 20 as y, 2 as x`)
    const open = (other: string) => openParquetScan([at('a/1.parquet'), at(other)])
    expect(() => open('type.parquet')).toThrow(/column "x" is int64 instead of int32 in .*type\.parquet/)
    expect(() => open('missing.parquet')).toThrow(/column "y" is missing/)
    expect(() => open('more.parquet')).toThrow(/column "z" is additional/)
    expect(codeOf(() => open('more.parquet'))).toBe('SCHEMA_MISMATCH')
    expect(open('order.parquet').fileSchema.fields.map((field) => field.name)).toEqual(['x', 'y'])
  })

  it('errors', () => {
    expect(codeOf(() => openParquetScan([]))).toBe('FILE_NOT_FOUND')
    expect(codeOf(() => openParquetScan(at('a/notes.txt')))).toBe('NOT_PARQUET')
    expect(codeOf(() => openParquetScan(at('none')))).toBe('FILE_NOT_FOUND')
  })

  it('leaves out nested and unsupported columns, with the reason', async () => {
    await write(
      'nested.parquet',
      `select 1 as a, {'p': 1, 'q': [2]} as s, [1, 2] as l, map {'k': 1} as m, uuid() as id,
      '\\x01'::blob as bytes, time '12:00:00' as clock, 'text' as "a.b", interval 1 day as span, 7 as last`,
    )
    const scan = openParquetScan(at('nested.parquet'))
    expect(scan.fileSchema.fields.map((field) => field.name)).toEqual(['a', 'bytes', 'a.b', 'last'])
    const leftOut = scan.fileSchema.leftOut ?? []
    expect(leftOut.map(({ name, type, reason }) => `${name}: ${type}; ${reason}`)).toEqual([
      's: struct; nested columns are not read',
      'l: list; nested columns are not read',
      'm: map; nested columns are not read',
      'id: uuid; there is no such type here yet',
      'clock: time; there is no such type here yet',
      'span: interval; there is no such type here yet',
    ])
    const meta = readFileMeta(at('nested.parquet'))
    expect(codeOf(() => requireChunk(meta, 0, 'l'))).toBe('UNSUPPORTED_TYPE')
    expect(codeOf(() => requireChunk(meta, 0, 'toString'))).toBe('COLUMN_NOT_FOUND')
    expect(columnError('f', leftOut, 'id').message).toMatch(
      /Unsupported type of column "id" in .*nested.parquet: uuid; there/,
    )
  })
})

describe('readFileMeta', () => {
  it('keeps a footer while the file is certainly the same', async () => {
    await write('one.parquet', 'select 1 as x')
    await write('two.parquet', 'select 2 as x')
    await write('now.parquet', 'select 1 as x')
    const bytes = { one: readFileSync(at('one.parquet')), two: readFileSync(at('two.parquet')) }
    expect(bytes.one).toHaveLength(bytes.two.length)
    const rewrite = (content: Uint8Array, modified: Date) => {
      writeFileSync(at('now.parquet'), content)
      utimesSync(at('now.parquet'), modified, modified)
      const meta = readFileMeta(at('now.parquet'))
      return { meta, min: meta.rowGroups[0]?.chunks['x']?.min }
    }
    // Two versions of one size within a step of the clock: the second one's footer counts.
    const now = new Date()
    expect(rewrite(bytes.one, now).min).toBe(1n)
    expect(rewrite(bytes.two, now).min).toBe(2n)
    const before = new Date(now.getTime() - 60_000)
    // The footer that is read again is not parsed again, and kept once the file was left alone for long enough.
    const fresh = rewrite(bytes.one, now).meta
    expect(readFileMeta(at('now.parquet'))).toBe(fresh)
    const { meta } = rewrite(bytes.one, before)
    expect(readFileMeta(at('now.parquet'))).toBe(meta)
    expect(rewrite(bytes.two, new Date(before.getTime() + 1)).min).toBe(2n)
  })

  it('keeps the footer of a file whose time lies in the future', async () => {
    await write('future.parquet', 'select 1 as x')
    const inAnHour = new Date(Date.now() + 3_600_000)
    inAnHour.setMilliseconds(500)
    utimesSync(at('future.parquet'), inAnHour, inAnHour)
    const first = readFileMeta(at('future.parquet'))
    expect([first.isSettled, readFileMeta(at('future.parquet'))]).toEqual([false, first])
    await new Promise((resolve) => setTimeout(resolve, 150))
    const second = readFileMeta(at('future.parquet'))
    expect(second).toMatchObject({ isSettled: true, rowGroups: first.rowGroups })
    expect(readFileMeta(at('future.parquet'))).toBe(second)
  })

  it('a footer of another thread is taken for the same bytes only', async () => {
    await write('sent-one.parquet', 'select 1 as x')
    await write('sent-two.parquet', 'select 2 as x')
    const now = new Date()
    const copy = (name: string): string => {
      writeFileSync(at('sent.parquet'), readFileSync(at(name)))
      utimesSync(at('sent.parquet'), now, now)
      return at('sent.parquet')
    }
    const sent = structuredClone(readFileMeta(copy('sent-one.parquet')))
    rememberFileMeta(sent)
    expect(readFileMeta(at('sent.parquet'))).toBe(sent)
    const other = readFileMeta(copy('sent-two.parquet'))
    expect(other.footerDigest).not.toBe(sent.footerDigest)
    expect(other.rowGroups[0]?.chunks['x']?.min).toBe(2n)
  })

  it('crosses threads', () => {
    const meta = readFileMeta(at('a/2.parquet'))
    expect(structuredClone(meta)).toEqual(meta)
  })
})
