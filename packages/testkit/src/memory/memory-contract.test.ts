// The memory contract, judged by VmHWM of processes that do nothing else; their data is made by other processes.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { measureChild } from '../measure-child.ts'

const ROWS = 1_000_000
const isSlow = process.env['SPILLWAY_SLOW'] === '1'

let folder: string
let source: string

beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/spillway-memory-')
  source = join(folder, 'rows.parquet')
  await run('make-rows-child.mjs', [source, String(ROWS), '122880'])
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(script: string, args: readonly string[]): Promise<Record<string, unknown>> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = await measureChild(path, args, { timeoutMs: 240_000 })
  expect(child.exitCode, child.stderr).toBe(0)
  return child.stdout === '' ? {} : JSON.parse(child.stdout.trim().split('\n').at(-1) ?? '{}')
}

function groupBy(limit: string, threads: number): Promise<Record<string, unknown>> {
  return run('group-by-child.mjs', [source, join(folder, 'out.parquet'), limit, String(threads), 'rows', folder])
}

async function floorMegabytes(threads: number): Promise<number> {
  const refused = await groupBy('50MB', threads)
  expect(refused['code']).toBe('MEMORY_LIMIT')
  return Math.ceil((refused['details'] as { floorBytes: number }).floorBytes / 1e6)
}

async function expectRightWithin(megabytes: number, threads: number): Promise<Record<string, unknown>> {
  const outcome = await groupBy(`${megabytes}MB`, threads)
  expect(outcome['message'], `${megabytes} MB, ${threads} threads`).toBeUndefined()
  expect(outcome['peakBytes'], `${megabytes} MB, ${threads} threads`).toBeLessThanOrEqual(megabytes * 1e6)
  expect(outcome['usage']).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
  const { expected, actual } = (await run('compare-child.mjs', [source, join(folder, 'out.parquet'), 'rows'])) as {
    expected: Record<string, number>
    actual: Record<string, number>
  }
  expect(actual).toMatchObject({ rows: expected['rows'], counted: expected['counted'], keys: expected['keys'] })
  expect(actual['total']).toBeCloseTo(expected['total'] as number, 3)
  return outcome
}

describe('memory limit of a process', () => {
  it.each([1, 2])(
    'holds at the floor with %i threads, and spills',
    async (threads) => {
      const floor = await floorMegabytes(threads)
      const outcome = await expectRightWithin(floor, threads)
      console.log(
        `floor ${floor} MB with ${threads} threads: peak ${Math.round((outcome['peakBytes'] as number) / 1e6)} MB`,
      )
      expect(outcome['spilledBytes']).toBeGreaterThan(0)
    },
    300_000,
  )

  it('lets finish at every larger limit what finishes at the floor', async () => {
    const floor = await floorMegabytes(2)
    const steps = isSlow ? [4, 8, 14, 20, 30, 45, 70, 110, 200, 600] : [12, 60, 300]
    for (const step of steps) await expectRightWithin(floor + step, 2)
  }, 900_000)
})

describe('many queries in one process', () => {
  it('keeps resident memory while a thousand literals are collected', async () => {
    const small = join(folder, 'small.parquet')
    await run('make-rows-child.mjs', [small, '200000', '100000'])
    const outcome = (await run('literal-loop-child.mjs', [small, isSlow ? '1000' : '300'])) as Record<string, number>
    const { afterTwenty = 0, atEnd = 0, keptBytes = 0 } = outcome
    console.log(`after 20: ${Math.round(afterTwenty / 1e6)} MB, at the end: ${Math.round(atEnd / 1e6)} MB`)
    // With a thousand collects 5 % is the goal; these keep little beside the code that V8 is still making: 12.5 MB, the
    // 12 % of a process that was larger.
    expect(atEnd).toBeLessThanOrEqual(afterTwenty + keptBytes + 12.5e6)
  }, 300_000)

  it('runs twenty collects beside each other under 400 MB', async () => {
    const outcome = await run('concurrent-child.mjs', [source, 'beside', '400MB', '20'])
    expect(outcome['answers']).toEqual(new Array(20).fill(1000))
    expect(outcome['peakBytes']).toBeLessThanOrEqual(400e6)
  }, 300_000)

  it('runs queries in the loop over the batches of a group-by that spills, two levels deep', async () => {
    const outcome = await run('concurrent-child.mjs', [source, 'nested', '400MB'])
    expect(outcome['answers']).toEqual([ROWS, ROWS])
    expect(outcome['peakBytes']).toBeLessThanOrEqual(400e6)
  }, 300_000)
})

describe('one process over time', () => {
  it('stays responsive, settles aborts, and gives memory back when the limit falls', async () => {
    const outcome = await run('latency-child.mjs', [source, 'key,name', 'value', isSlow ? '20' : '4', folder])
    const { delayP99Ms, abortMedianMs, abortMaxMs, atOneGigabyte, afterLowering } = outcome as Record<string, number>
    console.log(`event loop p99 ${delayP99Ms} ms; abort median ${abortMedianMs} ms, most ${abortMaxMs} ms`)
    console.log(`1 GB: ${atOneGigabyte} MB resident, then 400 MB: ${afterLowering} MB`)
    expect(abortMaxMs ?? 0).toBeLessThan(2000)
    expect(afterLowering).toBeLessThan(400)
    expect(outcome).toMatchObject({
      closedWith: 'CANCELLED',
      left: [],
      usage: { runningQueries: 0, reservedPages: 0, usedPages: 0 },
    })
  }, 300_000)
})
