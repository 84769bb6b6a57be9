/** Arrow IPC files that are larger than the memory limit: VmHWM of processes that write and read one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { measureChild } from '../measure-child.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
const ROWS = isSlow ? 40_000_000 : 6_000_000
const LIMIT_MB = 180

let folder: string
beforeAll(() => {
  folder = mkdtempSync('/var/tmp/spillway-ipc-memory-')
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

async function run(action: 'sink' | 'scan', path: string): Promise<Record<string, unknown>> {
  const script = fileURLToPath(new URL('ipc-child.mjs', import.meta.url))
  const child = await measureChild(script, [action, path, String(ROWS), `${LIMIT_MB}MB`], { timeoutMs: 900_000 })
  expect(child.exitCode, child.stderr).toBe(0)
  const outcome = JSON.parse(child.stdout.trim())
  expect(outcome.message).toBeUndefined()
  expect(outcome.usage).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
  expect(child.peakBytes).toBeLessThanOrEqual(LIMIT_MB * 1e6)
  return outcome
}

it(`${ROWS} rows are written and read within ${LIMIT_MB} MB`, { timeout: 900_000 }, async () => {
  const path = join(folder, 'rows.arrow')
  const { rowCount, bytes } = await run('sink', path)
  expect(rowCount).toBe(ROWS)
  expect(bytes).toBeGreaterThan(LIMIT_MB * 1e6)
  const found = await run('scan', path)
  const sum = (7n * BigInt(ROWS) * BigInt(ROWS - 1)) / 2n - 7n * 409n
  expect(found).toMatchObject({ len: String(ROWS - 1), sum: String(sum), text: String(isSlow ? 9_999_999 : 999_999) })
})
