/**
 * Memory follows neither the page nor the row group: files of one huge page per chunk are scanned by processes that do
 * nothing else, and their VmHWM is compared with a limit far below. Small files of the same shapes by default;
 * SPILLWAY_SLOW=1 takes pages of 104 MB and a row group of 4 GiB.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Oracle, quoteText } from '../duckdb-oracle.ts'
import { measureChild } from '../measure-child.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'

async function run(script: string, args: readonly string[]): Promise<Record<string, unknown>> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = await measureChild(path, args, { timeoutMs: 900_000 })
  expect(child.exitCode, child.stderr).toBe(0)
  const outcome = child.stdout === '' ? {} : JSON.parse(child.stdout.trim().split('\n').at(-1) ?? '{}')
  return { ...outcome, peakBytes: child.peakBytes }
}

describe('pages and row groups beyond the memory limit', () => {
  let folder: string
  let oracle: Oracle
  beforeAll(async () => {
    folder = mkdtempSync('/var/tmp/spillway-large-')
    oracle = await Oracle.open()
    await oracle.execute("SET threads = 1; SET memory_limit = '4GB'")
  })
  afterAll(() => {
    oracle.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function expectWithin(megabytes: number, path: string, shape: string, answer: string): Promise<void> {
    const expected = (await oracle.query(answer)).rows[0]?.map(String)
    const outcome = await run('scan-child.mjs', [path, shape, `${megabytes}MB`, '2'])
    const { message, sum, rows, b, threads, usage, peakBytes } = outcome
    expect(message).toBeUndefined()
    expect([sum, rows, ...(b === undefined ? [] : [b])]).toEqual(expected)
    expect(threads).toBe(2)
    expect(peakBytes).toBeLessThanOrEqual(megabytes * 1e6)
    expect(usage).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
    if (isSlow) console.log(`${path}: ${Math.round((peakBytes as number) / 1e6)} MB, ${outcome['timeMs']} ms`)
  }

  // A page of 8 bytes per row. The sample's are far below any limit, but beyond every buffer; it shows right answers.
  const bigintRows = isSlow ? 13_000_000 : 1_000_000
  it.each(['uncompressed', 'snappy', 'zstd'])(
    `one page of ${bigintRows} numbers, %s`,
    async (codec) => {
      const path = join(folder, `bigints-${codec}.parquet`)
      await run('make-large-pages-child.mjs', [path, 'bigints', String(bigintRows), codec])
      const pages = `SELECT total_uncompressed_size FROM parquet_metadata(${quoteText(path)})`
      const chunks = (await oracle.query(pages)).rows
      expect(chunks).toHaveLength(1)
      expect(Number(chunks[0]?.[0])).toBeGreaterThan(bigintRows * 8)
      const sum = `SELECT sum(x)::VARCHAR, count(*) FROM ${quoteText(path)} WHERE x != 409`
      await expectWithin(isSlow ? 400 : 200, path, 'bigints', sum)
      rmSync(path)
    },
    900_000,
  )

  const textRows = isSlow ? 1_100_000 : 80_000
  it.each(isSlow ? ['snappy', 'zstd'] : ['snappy'])(
    `a row group of ${textRows} rows of 4 kB, %s`,
    async (codec) => {
      const path = join(folder, `texts-${codec}.parquet`)
      await run('make-large-pages-child.mjs', [path, 'texts', String(textRows), codec])
      const metadata = `parquet_metadata(${quoteText(path)})`
      const sizes = `SELECT count(DISTINCT row_group_id), sum(total_uncompressed_size) FROM ${metadata}`
      const [groups, bytes] = (await oracle.query(sizes)).rows[0] ?? []
      expect(groups).toBe(1n)
      expect(Number(bytes)).toBeGreaterThan(isSlow ? 2 ** 32 : 310e6)
      const equal = `SELECT sum(id)::VARCHAR, count(*), max(b) FROM ${quoteText(path)} WHERE a = b`
      await expectWithin(isSlow ? 400 : 250, path, 'texts', equal)
      rmSync(path)
    },
    900_000,
  )
})
