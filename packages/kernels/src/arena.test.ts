/** The page allocator: order, cap, chains, owners, reservations, poison; and exact counters under two threads. */
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { CONTROL_ADDRESS, control, PAGE_BYTES, PAGE_TABLE_ADDRESS } from './arena-layout.ts'
import { kernelsModule } from './load-kernels.ts'
import { createTestArena, type TestArena } from './test-arena.ts'

const word = (arena: TestArena, offset: number): number => arena.u32[(CONTROL_ADDRESS + offset) / 4] as number
const setWord = (arena: TestArena, offset: number, value: number): void => {
  arena.u32[(CONTROL_ADDRESS + offset) / 4] = value
}
const pageOf = (address: number): number => (address >>> 0) / PAGE_BYTES

test('a new arena is empty and may be used whole', () => {
  const arena = createTestArena(20)
  const first = arena.kernels.arenaFirstPage()
  expect(first).toBe(Math.ceil((PAGE_TABLE_ADDRESS + 20 * 6) / PAGE_BYTES))
  expect(word(arena, control.pageCount)).toBe(20)
  expect(word(arena, control.capPages)).toBe(20)
  expect(word(arena, control.usedPages)).toBe(0)
  expect(word(arena, control.highWaterPages)).toBe(first)
  expect(word(arena, control.reservablePages)).toBe(20 - first - 1)
})

test('pages come lowest address first, below the cap, and the guard page never', () => {
  const arena = createTestArena(20)
  const { kernels } = arena
  const first = kernels.arenaFirstPage()
  const pages: number[] = []
  for (let address = kernels.pageAlloc(7, 1); address !== 0; address = kernels.pageAlloc(7, 1))
    pages.push(pageOf(address))
  expect(pages).toEqual(Array.from({ length: 19 - first }, (_, index) => first + index))
  expect(word(arena, control.usedPages)).toBe(19 - first)
  kernels.pageFree(10 * PAGE_BYTES, 1)
  kernels.pageFree(5 * PAGE_BYTES + 123, 2)
  expect(pageOf(kernels.pageAlloc(7, 2))).toBe(5)
  expect(kernels.pageAlloc(7, 2)).toBe(0)
  setWord(arena, control.capPages, 10)
  expect(kernels.pageAlloc(7, 1)).toBe(0)
  setWord(arena, control.capPages, 11)
  expect(pageOf(kernels.pageAlloc(7, 1))).toBe(10)
  expect(word(arena, control.highWaterPages)).toBe(19)
  expect(word(arena, control.peakUsedPages)).toBe(19 - first)
})

test('random allocations equal a first-fit twin', () => {
  const pageCount = 300
  const arena = createTestArena(pageCount)
  const { kernels } = arena
  const first = kernels.arenaFirstPage()
  const taken = Array.from({ length: pageCount }, (_, page) => page < first || page === pageCount - 1)
  const held: { page: number; count: number }[] = []
  let seed = 12345
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return (seed >>> 8) % limit
  }
  const expectedPage = (count: number): number => {
    for (let page = first; page + count <= pageCount; page++) {
      if (!taken.slice(page, page + count).includes(true)) return page
    }
    return 0
  }
  for (let step = 0; step < 4000; step++) {
    if (random(100) < 55) {
      const count = random(3) === 0 ? 1 + random(20) : 1
      const page = pageOf(kernels.pageAlloc(1 + random(3), count))
      expect(page).toBe(expectedPage(count))
      if (page === 0) continue
      taken.fill(true, page, page + count)
      held.push({ page, count })
    } else if (held.length > 0) {
      const [run] = held.splice(random(held.length), 1)
      if (run === undefined) continue
      kernels.pageFree(run.page * PAGE_BYTES, run.count)
      taken.fill(false, run.page, run.page + run.count)
    }
    const used = held.reduce((sum, run) => sum + run.count, 0)
    expect(word(arena, control.usedPages)).toBe(used)
  }
  for (let owner = 1; owner <= 3; owner++) {
    expect(kernels.ownerFree(owner)).toBeGreaterThanOrEqual(0)
    expect(kernels.ownerPages(owner)).toBe(0)
  }
  expect(word(arena, control.usedPages)).toBe(0)
  expect(pageOf(kernels.pageAlloc(1, pageCount - first - 1))).toBe(first)
})

test('chains are linked by page, start unlinked and are freed whole', () => {
  const arena = createTestArena(20)
  const { kernels } = arena
  const [a, b, c] = [kernels.pageAlloc(2, 1), kernels.pageAlloc(2, 1), kernels.pageAlloc(3, 1)]
  expect(kernels.pageNextGet(a)).toBe(0)
  kernels.pageNextSet(a + 5000, b)
  kernels.pageNextSet(b, c)
  expect(kernels.pageNextGet(a + 65535)).toBe(b)
  expect(kernels.ownerPages(2)).toBe(2)
  expect(kernels.chainFree(0)).toBe(0)
  expect(kernels.chainFree(a)).toBe(3)
  expect(word(arena, control.usedPages)).toBe(0)
  const again = kernels.pageAlloc(2, 1)
  expect(again).toBe(a)
  expect(kernels.pageNextGet(again)).toBe(0)
})

test('freeing what is not allocated traps and leaves the allocator usable', () => {
  const arena = createTestArena(20)
  const { kernels } = arena
  const address = kernels.pageAlloc(2, 1)
  kernels.pageFree(address, 1)
  expect(() => kernels.pageFree(address, 1)).toThrow(WebAssembly.RuntimeError)
  expect(() => kernels.pageFree(0, 1)).toThrow(WebAssembly.RuntimeError)
  expect(() => kernels.pageFree(19 * PAGE_BYTES, 1)).toThrow(WebAssembly.RuntimeError)
  expect(kernels.pageAlloc(2, 1)).toBe(address)
  expect(word(arena, control.usedPages)).toBe(1)
})

test('poison fills freed pages', () => {
  const arena = createTestArena(20)
  const { kernels } = arena
  setWord(arena, control.poison, 1)
  const address = kernels.pageAlloc(2, 3)
  kernels.pageFree(address + PAGE_BYTES, 1)
  expect(arena.u8[address]).toBe(0)
  expect(arena.u8.slice(address + PAGE_BYTES, address + 2 * PAGE_BYTES).every((byte) => byte === 0xdb)).toBe(true)
  expect(arena.u8[address + 2 * PAGE_BYTES]).toBe(0)
})

test('reservations never pass the limit', () => {
  const arena = createTestArena(20)
  const { kernels } = arena
  setWord(arena, control.reservablePages, 10)
  expect(kernels.reserve(7)).toBe(1)
  expect(kernels.reserve(4)).toBe(0)
  expect(kernels.reserve(-1)).toBe(0)
  expect(kernels.reserve(3)).toBe(1)
  expect(kernels.reserve(0)).toBe(1)
  kernels.release(5)
  expect(word(arena, control.reservedPages)).toBe(5)
})

/** Runs in a worker: allocates, writes its mark, checks the mark, frees; also reserves and releases. */
const stressSource = `
const { parentPort, workerData } = require('node:worker_threads')
const { module, memory, owner, steps } = workerData
const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports
const u32 = new Uint32Array(memory.buffer)
const held = []
let errors = 0
let seed = owner
const random = (limit) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % limit
for (let step = 0; step < steps; step++) {
  if (random(2) === 0) {
    const count = 1 + (random(4) === 0 ? random(5) : 0)
    const address = kernels.pageAlloc(owner, count) >>> 0
    if (address === 0) continue
    for (let page = 0; page < count; page++) u32[address / 4 + page * 16384] = owner
    held.push([address, count])
  } else if (held.length > 0) {
    const [address, count] = held.splice(random(held.length), 1)[0]
    for (let page = 0; page < count; page++) if (u32[address / 4 + page * 16384] !== owner) errors++
    kernels.pageFree(address, count)
  }
  if (kernels.reserve(3) === 1) kernels.release(3)
}
parentPort.postMessage({ errors, pages: held.reduce((sum, run) => sum + run[1], 0), listed: kernels.ownerPages(owner) })
`

test('two threads keep the counters exact and never share a page', async () => {
  const arena = createTestArena(120)
  const run = (owner: number): Promise<{ errors: number; pages: number; listed: number }> =>
    new Promise((resolve, reject) => {
      const workerData = { module: kernelsModule(), memory: arena.memory, owner, steps: 40000 }
      new Worker(stressSource, { eval: true, workerData }).once('message', resolve).once('error', reject)
    })
  const results = await Promise.all([run(1), run(2)])
  for (const { errors, pages, listed } of results) {
    expect(errors).toBe(0)
    expect(listed).toBe(pages)
  }
  const total = results.reduce((sum, { pages }) => sum + pages, 0)
  expect(word(arena, control.usedPages)).toBe(total)
  expect(word(arena, control.reservedPages)).toBe(0)
  expect(arena.kernels.ownerFree(1) + arena.kernels.ownerFree(2)).toBe(total)
  expect(word(arena, control.usedPages)).toBe(0)
})
