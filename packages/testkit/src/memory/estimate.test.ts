/** What `estimateMemoryRequired` says, against VmHWM of processes that collect with exactly that limit. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { col, createEngine, intRange, LazyFrame } from 'spillway'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { measureChild } from '../measure-child.ts'

const ROWS = 2_000_000
let folder: string
let parquet: string
let ipc: string
beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/spillway-estimate-')
  parquet = join(folder, 'rows.parquet')
  ipc = join(folder, 'rows.arrow')
  const engine = createEngine({ threads: 2, memoryLimit: '1GB' })
  const rows = LazyFrame({ n: intRange(0, ROWS) }, { session: engine }).select(
    'n',
    col('n').mul(1_000_003).cast({ kind: 'utf8' }).alias('text'),
    col('n').div(7).alias('seventh'),
  )
  await rows.sinkParquet(parquet)
  await rows.sinkIpc(ipc)
  await engine.close()
}, 120_000)
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** `loosest`: how many times the measured peak the estimate may be. */
it.each([
  ['scan', ROWS, 2],
  ['ipc', ROWS, 2],
  ['filter', ROWS / 2, 3],
  ['head', 1000, 2],
  ['project', ROWS, 3],
  ['groups', ROWS, 3],
  ['sorted', 500_000, 3],
  ['joined', ROWS, 4],
  ['total', 1, 2],
])('%s', { timeout: 120_000 }, async (query, rows, loosest) => {
  const script = fileURLToPath(new URL('estimate-child.mjs', import.meta.url))
  const child = await measureChild(script, [parquet, ipc, query])
  expect(child.exitCode, child.stderr).toBe(0)
  const outcome = JSON.parse(child.stdout.trim())
  const peak = child.peakBytes ?? 0
  console.log(`estimate ${query}: ${Math.round(outcome.requiredBytes / 1e6)} MB, peak ${Math.round(peak / 1e6)} MB`)
  expect(outcome.message).toBeUndefined()
  expect(outcome).toMatchObject({ rows, fitsExactly: true, fitsBelow: false })
  expect(peak).toBeLessThanOrEqual(outcome.requiredBytes)
  expect(outcome.requiredBytes).toBeLessThan(peak * loosest)
})
