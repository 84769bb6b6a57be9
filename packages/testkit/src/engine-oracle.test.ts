// Random queries over random Parquet files under every variant, against DuckDB. As soon as the public package exports
// anything the suite runs, and a missing name fails it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import fc from 'fast-check'
import * as spillway from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tables } from './arbitraries.ts'
import { type EngineUnderTest, queryDifference } from './check-query.ts'
import { tapes } from './choices.ts'
import { Oracle } from './duckdb-oracle.ts'
import { type FrameLike, queryOfTape } from './query-generator.ts'
import { type VariantOptions, variants } from './variants.ts'

/** The part of the public package that the suite drives. */
interface PublicApi {
  createEngine(options: VariantOptions): Promise<PublicEngine> | PublicEngine
  readonly LazyFrame: { concat(frames: FrameLike[]): FrameLike }
}
interface PublicEngine {
  scanParquet(paths: readonly string[]): FrameLike & { sinkIpc(path: string): Promise<unknown> }
  scanIpc(paths: readonly string[]): FrameLike
  close(): Promise<void>
}
interface CollectableFrame {
  collect(): Promise<{ toArrow(): Table; readonly metrics?: { readonly spilledBytes?: number } }>
}

const api = spillway as unknown as PublicApi
const hasEngine = Object.keys(spillway).length > 0

/** Queries per variant; a long search sets SPILLWAY_ORACLE_RUNS. */
const RUNS = Number(process.env['SPILLWAY_ORACLE_RUNS'] ?? '25')

/** @param ipcPath the same rows as an Arrow IPC file, which is scanned instead */
function underTest(engine: PublicEngine, ipcPath: string | undefined): EngineUnderTest {
  return {
    scan: (paths) => (ipcPath === undefined ? engine.scanParquet(paths) : engine.scanIpc([ipcPath])),
    api: { concat: (frames) => api.LazyFrame.concat(frames) },
    collect: async (frame) => {
      const result = await (frame as unknown as CollectableFrame).collect()
      return { table: result.toArrow(), spilledBytes: result.metrics?.spilledBytes ?? 0 }
    },
  }
}

describe.runIf(hasEngine)('engine against the oracle', () => {
  let database: Oracle
  let folder: string
  beforeAll(async () => {
    database = await Oracle.open()
    folder = mkdtempSync(join(tmpdir(), 'spillway-engine-oracle-'))
  })
  afterAll(() => {
    database.close()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const variant of variants) {
    it(`gives DuckDB's answers: ${variant.name}`, { timeout: 120_000 }, async () => {
      const engine = await api.createEngine(variant.engineOptions())
      let file = 0
      try {
        await fc.assert(
          fc.asyncProperty(tables(), tapes(), async (table, tape) => {
            const query = queryOfTape(table.schema, tape)
            const path = join(folder, `${variant.name}-${file++}.parquet`)
            await database.createTable('t', table)
            await database.writeParquet('t', path)
            // Every third table goes through an Arrow IPC file, which the variant itself writes.
            const ipcPath = file % 3 === 0 ? path.replace('.parquet', '.arrow') : undefined
            if (ipcPath !== undefined) await engine.scanParquet([path]).sinkIpc(ipcPath)
            const engineUnderTest = underTest(engine, ipcPath)
            const check = { engine: engineUnderTest, variant, oracle: database, query, paths: [path], oracleTable: 't' }
            expect(await queryDifference(check)).toBeUndefined()
          }),
          { numRuns: RUNS, interruptAfterTimeLimit: 90_000 },
        )
      } finally {
        await engine.close()
      }
    })
  }
})
