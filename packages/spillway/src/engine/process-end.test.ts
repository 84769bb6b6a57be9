/** However a process ends in mid-query, nothing of it stays; what SIGKILL leaves, the next process removes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataFrame } from '../index.ts'

const library = new URL('../../dist/spillway.bundle.js', import.meta.url).href
let folder: string
let spill: string
let out: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-process-end-'))
  spill = join(folder, 'spill')
  out = join(folder, 'out')
  for (const path of [spill, out]) mkdirSync(path)
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** A program whose query spills and writes a file for as long as it lives, and says so once it does. */
const spilling = (onSpill: string): string => `
  import { createEngine, col, DataType, intRange, LazyFrame } from ${JSON.stringify(library)}
  import { readdirSync } from 'node:fs'
  const session = createEngine({ memoryLimit: '190MB', threads: 2, tempDir: ${JSON.stringify(spill)} })
  const spilled = () => readdirSync(${JSON.stringify(spill)}, { recursive: true, withFileTypes: true })
    .filter(({ parentPath, path }) => (parentPath ?? path).includes('spillway-' + process.pid + '-'))
    .some(({ name }) => name.endsWith('.arrow'))
  const watch = setInterval(() => {
    if (!spilled()) return
    clearInterval(watch)
    process.stdout.write('spilling')
    ${onSpill}
  }, 2)
  const frame = LazyFrame({ n: intRange(0, 20_000_000) }, { session })
    .groupBy(col('n').mul(104729).mod(20_000_003).cast(DataType.Utf8).alias('text')).agg(col('n').sum())
  await frame.sinkParquet(${JSON.stringify(join(out, 'result.parquet'))})
  console.error('the query ended before the program was told to end')`

function run(code: string): { child: ChildProcess; ended: Promise<readonly [number | null, string | null]> } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'ignore'] })
  return { child, ended: once(child, 'exit') as Promise<[number | null, string | null]> }
}

const left = (): string[] => [...readdirSync(spill), ...readdirSync(out)]

describe('a process that ends in mid-query leaves nothing', () => {
  it.each([
    ['process.exit', 'process.exit(7)', [7, null]],
    ['an uncaught exception', 'throw new Error("boom")', [1, null]],
    ['an unhandled rejection', 'void Promise.reject(new Error("boom"))', [1, null]],
    ['SIGTERM', 'process.kill(process.pid, "SIGTERM")', [null, 'SIGTERM']],
    ['SIGINT', 'process.kill(process.pid, "SIGINT")', [null, 'SIGINT']],
    ['SIGHUP', 'process.kill(process.pid, "SIGHUP")', [null, 'SIGHUP']],
    [
      'its own handler of SIGTERM',
      'process.on("SIGTERM", () => process.exit(8)).kill(process.pid, "SIGTERM")',
      [8, null],
    ],
  ])('by %s', async (_way, onSpill, expected) => {
    expect(await run(spilling(onSpill)).ended).toEqual(expected)
    expect(left()).toEqual([])
  })
})

it('leaves the rest to the next process after SIGKILL, which spares those that live', async () => {
  const killed = run(spilling(''))
  const alive = run(spilling(''))
  await Promise.all([once(killed.child.stdout!, 'data'), once(alive.child.stdout!, 'data')])
  killed.child.kill('SIGKILL')
  await killed.ended
  expect(left().length).toBe(4)
  // Killed as well as soon as it spills: what it removed of the first one, and its own, is for the next.
  const second = run(spilling(''))
  await once(second.child.stdout!, 'data')
  second.child.kill('SIGKILL')
  await second.ended
  const { ended } = run(spilling('process.exit(7)'))
  expect(await ended).toEqual([7, null])
  const pid = String(alive.child.pid)
  expect(left().map((name) => name.split('-').includes(pid))).toEqual([true, true])
  alive.child.kill('SIGTERM')
  await alive.ended
  expect(left()).toEqual([])
})

it('keeps what an interrupted renaming left of a result unless it has another name', async () => {
  const path = join(out, 'kept.parquet')
  const only = join(out, `.spillway-${'0'.repeat(12)}-1-1-${'0'.repeat(16)}.tmp.old`)
  writeFileSync(only, 'the last copy')
  await new DataFrame({ a: [1] }).lazy().sinkParquet(path)
  expect(existsSync(only)).toBe(true)
  rmSync(only)
  rmSync(path)
})

it('ends a program that drops an iterator after a batch, and leaves nothing', async () => {
  const drop = (options: string): string => `
    import { createEngine, col, intRange, LazyFrame } from ${JSON.stringify(library)}
    const session = createEngine({ tempDir: ${JSON.stringify(spill)}, threads: 2, ${options} })
    const rows = LazyFrame({ n: intRange(0, 5_000_000) }, { session })
    const batches = rows.sort(col('n').mul(7919).mod(5_000_011)).collectBatches()[Symbol.asyncIterator]()
    const { value } = await batches.next()
    const other = rows.collectBatches()
    await other.next()
    process.stdout.write(String(value.numRows > 0))`
  expect(await run(drop('memoryLimit: "1GB"')).ended).toEqual([0, null])
  expect(await run(drop('memoryLimit: "220MB"')).ended).toEqual([0, null])
  expect(left()).toEqual([])
})
