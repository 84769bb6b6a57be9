/** When an engine stands still: all running queries wait for their programs, and somebody looked all the time. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { StallWatch } from './stall-watch.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function makeRun(waitsForProgram = true) {
  const state = { waitsForProgram, mark: 0 }
  const run = {
    get waitsForProgram() {
      return state.waitsForProgram
    },
    progressMark: () => String(state.mark),
  }
  return { state, run }
}

/** Looks every 20 milliseconds. @returns what the last look told */
function look(watch: StallWatch, runs: readonly ReturnType<typeof makeRun>[], forMs: number): number {
  let stalled = 0
  for (let passed = 0; passed < forMs; passed += 20) {
    vi.advanceTimersByTime(20)
    stalled = watch.stalledMs(runs.map(({ run }) => run))
  }
  return stalled
}

it('counts while batches wait for programs and nothing moves', () => {
  const watch = new StallWatch()
  const runs = [makeRun(), makeRun()]
  expect(look(watch, [], 1000)).toBe(0)
  expect(look(watch, runs, 1000)).toBe(980)
  ;(runs[1] as (typeof runs)[0]).state.mark += 1
  expect(look(watch, runs, 20)).toBe(0)
  expect(look(watch, runs, 500)).toBe(500)
})

it('a query that only takes long, such as in one slow read, is not waited for by anybody', () => {
  const watch = new StallWatch()
  const runs = [makeRun(), makeRun(false)]
  expect(look(watch, runs, 60_000)).toBe(0)
  ;(runs[1] as (typeof runs)[0]).state.waitsForProgram = true
  expect(look(watch, runs, 400)).toBe(400)
})

it('the time in which the process was paused does not count', () => {
  const watch = new StallWatch()
  const runs = [makeRun()]
  look(watch, runs, 100)
  vi.advanceTimersByTime(600_000)
  expect(look(watch, runs, 20)).toBeLessThan(500)
})
