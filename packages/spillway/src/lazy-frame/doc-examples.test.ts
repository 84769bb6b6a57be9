/** Runs the examples in the comments of the public interface: the plan that stands behind one is the plan it makes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import * as publicApi from '../index.ts'

interface Example {
  readonly code: string
  /** The lines behind the last statement that are comments. */
  readonly printed: string
}

/** The names a program may import. */
const spillway = { ...publicApi }

const FILES = [
  'lazy-frame.ts',
  '../scan-parquet.ts',
  '../scan-ipc.ts',
  '../parquet-frame.ts',
  '../concat.ts',
  '../collect-all.ts',
  '../engine/engine.ts',
  '../data-frame/data-frame.ts',
]

function examplesOf(file: string): Example[] {
  const source = readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8')
  return [...source.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm)].map(([, block]) => {
    const lines = (block ?? '')
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^ *\* ?/, ''))
    const end = lines.findLastIndex((line) => !line.startsWith('// ')) + 1
    const printed = lines
      .slice(end)
      .map((line) => line.slice(3))
      .join('\n')
    return { code: lines.slice(0, end).join('\n'), printed }
  })
}

const folder = mkdtempSync(join(tmpdir(), 'spillway-doc-'))
afterAll(async () => {
  await spillway.closeDefaultEngine()
  rmSync(folder, { recursive: true, force: true })
})

const orders = spillway
  .DataFrame({ city: ['Oslo', 'Rome', 'Oslo', 'Bonn'], price: [5, 20, 12.5, 40], quantity: [1, 2, 3, 4] })
  .lazy()

const cities = spillway.DataFrame({ city: ['Oslo', 'Rome'], country: ['Norway', 'Italy'] }).lazy()

/** Runs an example in a function with the public names; files go to the test's folder. Gives its last expression. */
async function run(code: string): Promise<unknown> {
  const inFolder = code.replace(/'([\w*/]+\.(?:parquet|arrow))'/g, (_, name) => JSON.stringify(join(folder, name)))
  const lines = inFolder.split('\n')
  const last = lines.pop() ?? ''
  const isStatement = /^(const|for|await using|try|\}|import|\/\/)/.test(last)
  const body = [
    ...lines.filter((line) => !line.startsWith('import ')),
    isStatement ? last : `return (${last.replace(/ \/\/ .*$/, '')})`,
  ]
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor
  const names = Object.keys(spillway).filter((name) => /^\w+$/.test(name))
  const make = new AsyncFunction('orders', 'cities', ...names, body.join('\n'))
  return make(orders, cities, ...names.map((name) => spillway[name as keyof typeof spillway]))
}

await orders.sinkParquet(join(folder, 'orders.parquet'))
await orders.sinkIpc(join(folder, 'orders.arrow'))

for (const file of FILES) {
  describe(`examples of ${file}`, () => {
    for (const { code, printed } of examplesOf(file)) {
      it(code.split('\n')[0] ?? '', async () => {
        const value = await run(code)
        if (printed === '') return
        const plan = value instanceof spillway.LazyFrame ? value.describePlan() : String(value)
        expect(plan.replaceAll(`${folder}/`, '')).toBe(printed)
      })
    }
  })
}

it('every method of a lazy frame that makes a plan has an example', () => {
  const covered = examplesOf('lazy-frame.ts')
    .map(({ code }) => code)
    .join('\n')
  for (const name of [
    'select',
    'withColumns',
    'filter',
    'drop',
    'rename',
    'groupBy',
    'agg',
    'unique',
    'join',
    'withRowIndex',
    'head',
    'slice',
  ]) {
    expect(covered).toContain(`.${name}(`)
  }
})
