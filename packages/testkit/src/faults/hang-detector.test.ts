/** The hang detector tells idle, busy and slow apart. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it, vi } from 'vitest'
import { HangDetector } from './hang-detector.ts'

const limits = { tickMs: 10, idleTicks: 5, busyMs: 200 }
const never = new Promise<never>(() => {})
afterEach(() => {
  vi.restoreAllMocks()
})

it('reports a query that stands still in an idle process, with those beside it', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const detector = new HangDetector(async () => 'w0 waits', limits)
  let count = 0
  const other = detector.watch(sleep(1500), { what: 'the other', progress: () => String(count++) })
  const error = await detector.watch(never, { what: 'the join', progress: () => '7 rows' }).catch(String)
  detector.stop()
  expect(error).toContain('A query hangs')
  expect(error).toContain('(idle): the join at 7 rows')
  expect(error).toContain('beside the other at')
  expect(error).toContain('w0 waits')
  await other
})

it('lets a query be slow while it gets on, and one that is quiet in a busy process for a while', async () => {
  const detector = new HangDetector(async () => '', { ...limits, idleTicks: 10_000, busyMs: 60_000 })
  let count = 0
  const slow = detector.watch(sleep(300, 'done'), { what: 'slow', progress: () => String(count++) })
  const quiet = detector.watch(sleep(300, 'done'), { what: 'quiet', progress: () => '' })
  const end = performance.now() + 290
  while (performance.now() < end) {
    const burn = performance.now() + 8
    while (performance.now() < burn);
    await sleep(1)
  }
  expect(await Promise.all([slow, quiet])).toEqual(['done', 'done'])
  detector.stop()
})

it('reports a query that gets nowhere for much processor time', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const detector = new HangDetector(async () => '', { ...limits, idleTicks: 10_000 })
  const outcome = detector.watch(never, { what: 'the spinner', progress: () => '' }).catch(String)
  const end = performance.now() + 1000
  while (performance.now() < end) {
    const burn = performance.now() + 8
    while (performance.now() < burn);
    await sleep(1)
  }
  expect(await outcome).toMatch(/A query hangs.*: the spinner/)
  detector.stop()
})
