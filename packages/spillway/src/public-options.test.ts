/** What a public function does not know is refused by name: ignored, it would be a wrong answer. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as spillway from './index.ts'
import { closeDefaultEngine } from './index.ts'

// Programs in JavaScript have no compiler that would object.
// biome-ignore lint/suspicious/noExplicitAny: see above
const api: any = spillway
const { col, collectAll, concat, createEngine, DataType, explainAll, LazyFrame, scanIpc, scanParquet } = api
let folder: string
let parquet: string
let ipc: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-options-'))
  parquet = join(folder, 'a.parquet')
  ipc = join(folder, 'a.arrow')
  await frame().sinkParquet(parquet)
  await frame().sinkIpc(ipc)
})
afterAll(async () => {
  await closeDefaultEngine()
  rmSync(folder, { recursive: true })
})

const frame = () => LazyFrame({ a: [3, 1, 2] })
const codeOf = async (run: () => unknown): Promise<string> => {
  try {
    await run()
    return 'no error'
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`
  }
}
const wrong = { nrow: 1 }

it.each<readonly [string, () => unknown]>([
  ['scanParquet', () => scanParquet(parquet, wrong)],
  ['scanIpc', () => scanIpc(ipc, wrong)],
  ['LazyFrame', () => LazyFrame({ a: [1] }, wrong)],
  ['createEngine', () => createEngine(wrong)],
  ['cast', () => col('a').cast(DataType.Int8, wrong)],
  ['unique', () => frame().unique(wrong)],
  ['sort', () => frame().sort('a', wrong)],
  ['sort', () => frame().sort({ by: 'a', ...wrong })],
  ['topK', () => frame().topK(1, { by: 'a', ...wrong })],
  ['bottomK', () => frame().bottomK(1, { by: 'a', ...wrong })],
  ['slice', () => frame().slice({ offset: 0, ...wrong })],
  ['join', () => frame().join(frame(), { on: 'a', ...wrong })],
  ['collect', () => frame().collect(wrong)],
  ['collectBatches', () => frame().collectBatches(wrong)],
  ['sinkParquet', () => frame().sinkParquet(join(folder, 'x'), wrong)],
  ['sinkIpc', () => frame().sinkIpc(join(folder, 'x'), wrong)],
  [
    'sinkParquet',
    () =>
      frame()
        .sinkParquet(join(folder, 'x'), { lazy: true, ...wrong })
        .collect(),
  ],
  ['collectAll', () => collectAll([frame()], wrong)],
  ['explain', () => frame().explain(wrong)],
  ['explainAll', () => explainAll([frame()], wrong)],
  ['estimateMemoryRequired', () => frame().estimateMemoryRequired(wrong)],
])('%s refuses an unknown option', async (name, run) => {
  const code = await codeOf(run)
  expect(code).toMatch(/^INVALID_OPTION/)
  expect(code).toContain(name)
  expect(code).toContain('"nrow"')
})

it('suggests the option that was meant', async () => {
  expect(await codeOf(() => scanParquet(parquet, { nrows: 1 }))).toContain('Did you mean "nRows"?')
})

it('refuses arguments that it would not read', async () => {
  for (const run of [
    () => frame().unique('a', 'last'),
    () => frame().unique(true),
    () => frame().sort('a', false, false, true, 1),
    () => frame().sort({ by: 'a' }, true),
    () => frame().topK(1),
    () => frame().bottomK(1, 'a'),
    () => frame().join(frame(), { on: 'a' }, 'left'),
    () => concat([frame()], { how: 'diagonal' }),
    () => concat(frame(), frame()),
  ]) {
    expect(await codeOf(run), String(run)).toMatch(/^INVALID_OPTION/)
  }
})

it('takes the arguments of sort in their places', () => {
  const plan = (...rest: unknown[]) =>
    frame()
      .sort('a', ...rest)
      .describePlan()
  expect(plan(true, true)).toBe(plan({ descending: true, nullsLast: true }))
  expect(plan([true], [true])).toBe(plan(true, true))
  expect(plan(false, undefined, true)).toBe(plan({ maintainOrder: true }))
})
