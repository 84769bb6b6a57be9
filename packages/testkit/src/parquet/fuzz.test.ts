/**
 * Fuzzing of the Parquet reader: damaged files give right data, other data where no checksum could tell, or a typed
 * error that names the place; the same engine goes on. 300 mutants by default; SPILLWAY_SLOW=1 takes 100,000 of each
 * target, for an hour at most.
 * SPILLWAY_FUZZ_SEED, _FIRST and _COUNT choose others, _SECONDS ends earlier. Failing mutants are told as seed, index
 * and list of changes; SPILLWAY_FUZZ_KEEP names a file for all of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assembleFile, parseFile } from './file-model.ts'
import { describeReport, runCampaign } from './fuzz-campaign.ts'
import { makeFuzzPool } from './fuzz-pool.ts'
import { openDecoderTarget, openEngineTarget } from './fuzz-targets.ts'
import type { SoundFile } from './mutate-file.ts'
import { findField, setNumber, structList } from './thrift-tree.ts'

const isSlow = process.env['SPILLWAY_SLOW'] === '1'
const numberOf = (name: string, fallback: number): number => Number(process.env[name] ?? fallback)
const seed = numberOf('SPILLWAY_FUZZ_SEED', 1)
const first = numberOf('SPILLWAY_FUZZ_FIRST', 0)
const count = numberOf('SPILLWAY_FUZZ_COUNT', isSlow ? 100_000 : 300)

const limitMs = 1000 * numberOf('SPILLWAY_FUZZ_SECONDS', isSlow ? 3500 : 60)

describe('damaged Parquet files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-fuzz-'))
  let pool: readonly SoundFile[]
  beforeAll(async () => {
    pool = await makeFuzzPool(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('the pool has all encodings, with and without checksums', () => {
    expect(pool.length).toBeGreaterThan(100)
    expect(pool.filter(({ name }) => name.endsWith('with checksums'))).toHaveLength(pool.length / 2)
  })

  it('refuses a size of values that is none, which made the reader go backwards', async () => {
    const sound = pool.find(({ name }) => name === 'duckdb snappy many')
    const model = parseFile(sound?.assembled.bytes ?? new Uint8Array())
    const target = await openDecoderTarget()
    for (const length of [-(2 ** 31), -16, -1, 2 ** 31]) {
      const { bytes } = assembleFile(model, (footer) => {
        const fixed = structList(footer, 2).filter((element) => findField(element, 2) !== undefined)
        expect(fixed.length).toBeGreaterThan(0)
        for (const element of fixed) setNumber(element, 2, length)
      })
      const path = join(folder, 'sizes.parquet')
      rmSync(path, { force: true })
      writeFileSync(path, bytes)
      await expect(target.read(path), String(length)).rejects.toMatchObject({ code: 'PARQUET_CORRUPT' })
    }
    await target.close()
  })

  for (const [name, openTarget] of [
    // The engine counts the whole process, with what the harness itself holds.
    ['engine', () => openEngineTarget('600MB')],
    ['decoder', openDecoderTarget],
  ] as const) {
    it(`${count} mutants through the ${name}`, { timeout: 7_200_000 }, async () => {
      const campaign = { pool, folder, seed, first, count, limitMs, openTarget, growthBytes: 400e6 }
      const report = await runCampaign(campaign)
      const done = [...report.outcomes.values()].reduce((sum, each) => sum + each, 0)
      const { findings } = report
      const isQuiet = !isSlow && findings.length === 0 && process.env['SPILLWAY_FUZZ_COUNT'] === undefined
      if (!isQuiet) console.log(`${name}: ${describeReport(report)}`)
      const kept = process.env['SPILLWAY_FUZZ_KEEP']
      if (kept !== undefined) writeFileSync(`${kept}-${name}.json`, JSON.stringify(report.findings, undefined, 1))
      // A fuzzer that only ever meets errors, or never, is broken itself.
      expect(report.outcomes.get('right data') ?? 0).toBeGreaterThan(done / 100)
      expect(report.outcomes.get('DataError PARQUET_CORRUPT') ?? 0).toBeGreaterThan(done / 10)
      expect(findings.slice(0, 10)).toEqual([])
    })
  }
})
