/** The line of waiting queries, with pages instead of queries and no engine behind it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { AdmissionQueue, type AdmissionRules } from './admission-queue.ts'

/** Queries are the pages they need. */
function makeQueue(patienceMs?: number) {
  const state = { free: 10, stalledMs: 0, log: [] as string[] }
  const rules: AdmissionRules<number, string> = {
    tryAdmit: async (pages) => {
      await sleep(1)
      if (pages > 100) throw new Error(`${pages} never fit`)
      if (pages > state.free) return undefined
      state.free -= pages
      state.log.push(`admit ${pages}`)
      return `admitted ${pages}`
    },
    stalledMs: () => state.stalledMs,
    waitForChange: () => sleep(2),
    press: (pages, isPressing) => void state.log.push(`${isPressing ? 'press' : 'release'} ${pages}`),
    outOfPatience: (pages) => new Error(`${pages} waited too long`),
  }
  const queue = new AdmissionQueue(rules, patienceMs)
  const admit = (pages: number, signal?: AbortSignal) => queue.admit({ candidate: pages, signal })
  return { state, queue, admit }
}

it('admits in the order of asking, and a small one waits behind a large one', async () => {
  const { state, admit } = makeQueue()
  const all = [admit(6), admit(7), admit(1)]
  await all[0]
  await sleep(20)
  expect(state.log).toEqual(['admit 6', 'press 7'])
  state.free += 6
  await Promise.all(all)
  expect(state.log).toEqual(['admit 6', 'press 7', 'admit 7', 'release 7', 'admit 1'])
})

it('tries the ones behind when the engine stands still, in order, and the first one again after each', async () => {
  const { state, admit } = makeQueue()
  const all = [admit(8), admit(9), admit(4), admit(2), admit(1)]
  await all[0]
  state.stalledMs = 5000
  await all[3]
  await sleep(20)
  // The 4 do not fit either, and after the 2 nothing is left.
  expect(state.log).toEqual(['admit 8', 'press 9', 'admit 2'])
  state.stalledMs = 0
  await sleep(20)
  state.free = 14
  await Promise.all(all)
  expect(state.log.slice(3)).toEqual(['admit 9', 'release 9', 'admit 4', 'admit 1'])
})

it('an abort takes a query out of the line, the first one too', async () => {
  const { state, queue, admit } = makeQueue()
  const first = new AbortController()
  const second = new AbortController()
  const all = [admit(11, first.signal), admit(12, second.signal), admit(3)].map((each) => each.catch(String))
  await sleep(10)
  second.abort()
  expect(await all[1]).toContain('cancelled by its signal')
  expect(queue.length).toBe(2)
  first.abort()
  expect(await all[0]).toContain('cancelled by its signal')
  expect(await all[2]).toBe('admitted 3')
  expect(state.log).toEqual(['press 11', 'release 11', 'admit 3'])
})

it('a query whose signal was given before it asked does not stand in line', async () => {
  const { state, queue, admit } = makeQueue()
  const first = admit(11)
  const asked = admit(12, AbortSignal.abort())
  expect(queue.length).toBe(1)
  await expect(asked).rejects.toThrow('cancelled by its signal')
  state.free = 20
  await first
  expect(state.log).toContain('admit 11')
})

it('a query that fails does not keep the others', async () => {
  const { admit } = makeQueue()
  const all = [admit(101), admit(3)].map((each) => each.catch(String))
  expect(await Promise.all(all)).toEqual(['Error: 101 never fit', 'admitted 3'])
})

it('loses patience only while the engine stands still', async () => {
  const { state, admit } = makeQueue(30)
  const waiting = admit(50).catch(String)
  await sleep(60)
  state.stalledMs = 10
  await sleep(20)
  expect(state.log).toEqual(['press 50'])
  state.stalledMs = 40
  expect(await waiting).toBe('Error: 50 waited too long')
  expect(state.log).toEqual(['press 50', 'release 50'])
})
