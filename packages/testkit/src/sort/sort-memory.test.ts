// The memory contract of a sort, judged by VmHWM of processes that do nothing else; their data is made by others. Also
// with few file descriptors: fan-in follows memory, and a worker holds one file open at a time.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Oracle } from '../duckdb-oracle.ts'
import { measureChild } from '../measure-child.ts'

const execFileAsync = promisify(execFile)
const isSlow = process.env['SPILLWAY_SLOW'] === '1'
const ROWS = isSlow ? 20_000_000 : 1_500_000

let folder: string
let oracle: Oracle
let source: string
let target: string

beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/spillway-sort-memory-')
  source = join(folder, 'rows.parquet')
  target = join(folder, 'sorted.parquet')
  oracle = await Oracle.open()
  await oracle.execute(`SET threads = 1; SET memory_limit = '2GB'; SET temp_directory = '${folder}'`)
  const payload = [1, 2, 3, 4].map((part) => `printf('%016x', hash(i * 4 + ${part}))`).join(' || ')
  await oracle.writeParquet(
    `(SELECT (hash(i) >> 40)::BIGINT AS key, (hash(i + 17) % 1000)::DOUBLE / 8 AS value, ${payload} AS payload, i AS row
      FROM (SELECT range AS i FROM range(${ROWS})))`,
    source,
  )
}, 300_000)
afterAll(() => {
  oracle.close()
  rmSync(folder, { recursive: true, force: true })
})

const child = fileURLToPath(new URL('sort-child.mjs', import.meta.url))
const argumentsOf = (limit: string, threads: number) => [source, target, limit, String(threads), folder, 'key,value']

async function sortWithin(megabytes: number, threads: number): Promise<Record<string, unknown>> {
  const run = await measureChild(child, argumentsOf(`${megabytes}MB`, threads), { timeoutMs: 500_000 })
  expect(run.exitCode, run.stderr).toBe(0)
  return JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>
}

/** Order, ties included, and every row once. */
async function expectSorted(): Promise<void> {
  const sorted = `(SELECT *, file_row_number AS place FROM read_parquet('${target}', file_row_number = true))`
  const wrong = await oracle.query(
    `SELECT count(*) FROM (SELECT key, value, row, lag(key) OVER w AS k, lag(value) OVER w AS v, lag(row) OVER w AS r
      FROM ${sorted} WINDOW w AS (ORDER BY place)) WHERE k IS NOT NULL AND (k, v, r) > (key, value, row)`,
  )
  expect(wrong.rows[0]?.[0]).toBe(0n)
  const fold = (path: string) =>
    `SELECT count(*), bit_xor(hash(key, value, payload, row)), sum(row) FROM read_parquet('${path}')`
  expect((await oracle.query(fold(target))).rows).toEqual((await oracle.query(fold(source))).rows)
}

describe('memory limit of a sort', () => {
  it.each([1, 2])('holds near the floor with %i threads, and spills', { timeout: 900_000 }, async (threads) => {
    const refused = await sortWithin(50, threads)
    expect(refused['code']).toBe('MEMORY_LIMIT')
    const floor = Math.ceil((refused['details'] as { floorBytes: number }).floorBytes / 1e6)
    for (const megabytes of [floor, floor + 60]) {
      const outcome = await sortWithin(megabytes, threads)
      console.log(`sort, ${megabytes} MB, ${threads} threads: ${JSON.stringify(outcome)}`)
      expect(outcome['message']).toBeUndefined()
      expect(outcome['rowCount']).toBe(ROWS)
      expect(outcome['peakBytes']).toBeLessThanOrEqual(megabytes * 1e6)
      expect(outcome['runs']).toBeGreaterThan(1)
      if ((outcome['depth'] as number) <= 1) expect(outcome['amplification']).toBeLessThanOrEqual(2)
      expect(outcome['usage']).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
      await expectSorted()
    }
  })

  const megabytes = isSlow ? 400 : 300
  const limit = `${megabytes}MB`
  it.each(['64', 'unlimited'])(
    `keeps ${megabytes} MB with %s file descriptors`,
    { timeout: 900_000 },
    async (files) => {
      const command = `ulimit -Sn ${files === 'unlimited' ? '$(ulimit -Hn)' : files} && exec '${process.execPath}' "$@"`
      const { stdout } = await execFileAsync('bash', ['-c', command, 'bash', child, ...argumentsOf(limit, 2)])
      const outcome = JSON.parse(stdout.trim()) as Record<string, unknown>
      console.log(`sort, ${megabytes} MB, ${files} files: ${JSON.stringify(outcome)}`)
      expect(outcome['message']).toBeUndefined()
      expect(outcome['runs']).toBeGreaterThan(1)
      expect(outcome['rowCount']).toBe(ROWS)
      expect(outcome['peakBytes']).toBeLessThanOrEqual(megabytes * 1e6)
      await expectSorted()
    },
  )
})
