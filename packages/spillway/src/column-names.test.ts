/** Names that every object inherits are names of columns like others, and nothing of theirs is inherited. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { closeDefaultEngine, col, DataFrame, DataType, LazyFrame, len, scanIpc, scanParquet } from './index.ts'

const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'then', 'toJSON', 'length', '']
const folder = mkdtempSync(join(tmpdir(), 'spillway-names-'))
afterAll(async () => {
  await closeDefaultEngine()
  rmSync(folder, { recursive: true })
})

/** As JSON.parse makes it: "__proto__" is a property of its own. */
function objectOf<T>(value: (index: number) => T, keys: readonly string[] = names): Record<string, T> {
  const made = {}
  keys.forEach((key, index) => {
    Object.defineProperty(made, key, { value: value(index), enumerable: true })
  })
  return made
}

it('are columns in memory and in files, and keys, and stay in records', async () => {
  const inherited = Object.getOwnPropertyNames(Object.prototype)
  const made = new DataFrame(objectOf((index) => [index, index + 1, index]))
  await made.lazy().sinkParquet(join(folder, 'a.parquet'))
  await made.lazy().sinkIpc(join(folder, 'a.arrow'))
  const sources = [made.lazy(), scanParquet(join(folder, 'a.parquet')), scanIpc(join(folder, 'a.arrow'))]
  for (const source of sources) {
    const collected = await source.collect()
    expect(collected.columns).toEqual(names)
    expect(Object.keys(collected.schema)).toEqual(names)
    const record = collected.toRecords()[1] as object
    expect(Object.entries(record)).toEqual(names.map((name, index) => [name, index + 1]))
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype)
    for (const name of names) {
      const groups = source.groupBy(name).agg(len().alias('n')).join(source.select(name).unique(), { on: name })
      expect((await groups.collect()).height).toBe(2)
      const renamed = source.rename(objectOf(() => 'other', [name]))
      expect(renamed.columns).toContain('other')
      expect(() => source.drop(name).select(name)).toThrow(/Column not found/)
    }
  }
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(inherited)
})

it('have the types that a schema gives them, and none that they inherit', async () => {
  expect(() => new DataFrame({ a: [1] }).lazy().select('constructor')).toThrow(/Column not found/)
  const typed = LazyFrame(
    objectOf(() => [1]),
    { schema: objectOf(() => DataType.Int16) },
  )
  expect(Object.values(typed.schema)).toEqual(names.map(() => DataType.Int16))
  const [name] = names as [string]
  const scanned = scanParquet(join(folder, 'a.parquet'), { schema: objectOf(() => DataType.Float64, [name]) })
  expect((await scanned.select(col(name).sum()).collect()).toRecords()).toEqual([objectOf(() => 1, [name])])
})

it('are keys of metadata', async () => {
  const path = join(folder, 'meta.parquet')
  await new DataFrame({ a: [1] }).lazy().sinkParquet(path, { keyValueMetadata: objectOf((i) => `value ${i}`) })
  const text = readFileSync(path, 'latin1')
  for (const index of names.keys()) expect(text).toContain(`value ${index}`)
})
