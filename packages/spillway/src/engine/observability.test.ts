/** What a user sees of a query: explain, metrics, progress, and the lines of SPILLWAY_VERBOSE. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { col, createEngine, type Engine, intRange, LazyFrame, len, nUnique, type Progress, sum } from '../index.ts'

const ROWS = 600_000
let engine: Engine
let folder: string
let numbers: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-observability-'))
  numbers = join(folder, 'numbers.parquet')
  engine = createEngine({ threads: 2, memoryLimit: '1GB', tempDir: folder })
  const frame = LazyFrame({ n: intRange(0, ROWS) }, { session: engine }).withColumns(col('n').mod(50_021).alias('k'))
  await frame.sinkParquet(numbers)
})
afterAll(async () => {
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The text with what differs from machine to machine taken out. */
const stable = (text: string) =>
  text.replaceAll(folder, '').replace(/arena [\d.]+ MB, floor [\d.]+ MB/, 'arena A MB, floor F MB')

describe('explain', () => {
  const query = () =>
    engine
      .scanParquet(numbers)
      .filter(col('n').gtEq(400_000))
      .groupBy(col('k').mod(100).alias('key'))
      .agg(sum('n'), nUnique('n').alias('distinct'))
      .head(3)

  it('prints the plan as written and as optimised', async () => {
    expect(stable(await query().explain({ optimized: false }))).toBe(`SLICE 3 rows from 0
  GROUP BY [(col("k") % 100).alias("key")] [col("n").sum(), col("n").nUnique().alias("distinct")]
    FILTER col("n") >= 400000
      PARQUET SCAN [/numbers.parquet] columns 2/2`)
    expect(stable(await query().explain())).toBe(`SLICE 3 rows from 0
  GROUP BY [(col("k") % 100).alias("key")] [col("n").sum(), col("n").nUnique().alias("distinct")]
    PARQUET SCAN [/numbers.parquet] columns 2/2 predicate col("n") >= 400000`)
  })
  it('prints pipelines, memory classes, row groups skipped, limit and floor', async () => {
    const text = stable(await query().explain({ physical: true }))
    expect(text.slice(text.indexOf('PHYSICAL'))).toBe(`PHYSICAL PLAN threads=2 batch rows=8192
memory: limit 1000.0 MB, arena A MB, floor F MB
PIPELINE 0 (2 morsels)
  PARQUET SCAN [bounded] files=1 columns=[n, k] row groups 2/5 (3 skipped), rows 206784, page checksums verified
  STAGE [bounded] filter col("n") >= 400000
  STAGE [bounded] project (col("k") % 100).alias("input 0"), col("n").alias("input 1"), \
col("n").alias("input 2")
  STREAMING_GROUP_BY [spillable] groupBy((col("k") % 100).alias("key")) partitions=64
  STREAMING_GROUP_BY [spillable] distinct values of distinct in groupBy((col("k") % 100).alias("key")) partitions=64
PIPELINE 1 (64 morsels)
  GROUP_BY OUTPUT [spillable] distinct values of distinct in groupBy((col("k") % 100).alias("key"))
  STREAMING_GROUP_BY [spillable] groupBy((col("k") % 100).alias("key")) (counts distinct values) partitions=64
PIPELINE 2 (64 morsels)
  GROUP_BY OUTPUT [spillable] groupBy((col("k") % 100).alias("key"))
  SLICE [bounded] offset=0 length=3
  COLLECT [bounded]`)
  })
  it('shows that nothing spills in memory mode', async () => {
    const text = await query().explain({ physical: true, engine: 'in-memory' })
    expect(text).toContain('STREAMING_GROUP_BY [unbounded]')
    expect(text).not.toContain('[spillable]')
  })
})

describe('metrics and progress', () => {
  it('every operator reports rows, time, bytes and spilling', async () => {
    const testing = { forceSpill: true }
    const { metrics } = await engine.scanParquet(numbers).groupBy('k').agg(sum('n')).collect({ testing })
    const found = metrics?.operators.map(({ label, rowsIn, rowsOut }) => ({ label, rowsIn, rowsOut }))
    expect(found).toEqual([
      { label: 'PARQUET SCAN', rowsIn: 0, rowsOut: ROWS },
      { label: 'STREAMING_GROUP_BY', rowsIn: ROWS, rowsOut: 0 },
      { label: 'GROUP_BY OUTPUT', rowsIn: 0, rowsOut: 50_021 },
      { label: 'COLLECT', rowsIn: 50_021, rowsOut: 50_021 },
    ])
    const group = metrics?.operators[1]
    expect(group?.spilledBytes).toBeGreaterThan(0)
    expect(group?.spilledFiles).toBeGreaterThan(0)
    expect(group?.peakBytes).toBeGreaterThan(0)
    for (const operator of metrics?.operators ?? []) expect(operator.timeMs, operator.label).toBeGreaterThan(0)
    expect(metrics?.spilledBytes).toBe(group?.spilledBytes)
    expect(metrics).toMatchObject({ rowsOut: 50_021, threads: 2, memoryLimitBytes: 1e9 })
    expect(metrics?.bytesRead).toBeGreaterThan(0)
    expect(metrics?.floorBytes).toBeGreaterThan(0)
  })
  it('progress never falls and ends at 1', async () => {
    const seen: Progress[] = []
    const onProgress = (progress: Progress) => seen.push(progress)
    const options = { onProgress, testing: { forceSpill: true, batchRows: 1024 } }
    await engine.scanParquet(numbers).groupBy('k').agg(nUnique('n'), len()).collect(options)
    expect(seen.length).toBeGreaterThan(1)
    for (const [index, progress] of seen.entries()) {
      const before = seen[index - 1]
      for (const name of ['fraction', 'rowsIn', 'rowsOut', 'bytesRead', 'spilledBytes'] as const) {
        expect(progress[name], name).toBeGreaterThanOrEqual(before?.[name] ?? 0)
      }
      expect(progress.phase).toMatch(/^(PARQUET SCAN|GROUP_BY OUTPUT) -> /)
    }
    expect(seen.at(-1)?.fraction).toBe(1)
  })
})

describe('SPILLWAY_VERBOSE', () => {
  it('prints one line per phase, eviction, split and reload', async () => {
    const script = `
      import { col, createEngine, sum } from 'spillway'
      const engine = createEngine({ threads: 2, memoryLimit: '1GB', tempDir: ${JSON.stringify(folder)} })
      const testing = { budgetPages: 180, partitionBits: 3, batchRows: 1024 }
      const key = col('n').mod(290_000).alias('k')
      const frame = engine.scanParquet(${JSON.stringify(numbers)}).groupBy(key).agg(sum('n'))
      await frame.sinkParquet(${JSON.stringify(join(folder, 'verbose.parquet'))}, { testing })
      await engine.close()`
    const lines = (await runVerbose(script)).trim().split('\n')
    const own = lines.filter((line) => line.startsWith('[spillway] '))
    expect(lines.filter((line) => !own.includes(line))).toEqual([])
    const count = (pattern: RegExp) => own.filter((line) => pattern.test(line)).length
    expect(
      count(/^\[spillway\] q1 phase PARQUET SCAN -> STREAMING_GROUP_BY morsels=5 workers=\d budget=[\d.]+ MiB$/),
    ).toBe(1)
    expect(count(/^\[spillway\] q1 phase GROUP_BY OUTPUT -> PARQUET SINK morsels=8 workers=\d /)).toBe(1)
    expect(count(/ memory: pressure=high evict partition \d+ \([\d.]+ [KM]iB\) -> .*\/q1-.*\.arrow$/)).toBeGreaterThan(
      0,
    )
    expect(count(/ re-loading partition \d+(\.\d+)? \([\d.]+ [KM]iB, rows=\d+\)$/)).toBeGreaterThan(0)
  })
})

/** Runs a module in a process of its own, in the repository root; resolves with its standard error. */
function runVerbose(script: string): Promise<string> {
  const cwd = fileURLToPath(new URL('../../../..', import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd,
      env: { ...process.env, SPILLWAY_VERBOSE: '1' },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    let text = ''
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`code ${code}: ${text}`))))
  })
}
