/**
 * Runs one generated query in Spillway under one variant and compares with the oracle. The engine comes in as a
 * structural value, so this file imports nothing from the public package.
 */
import type { Table } from 'apache-arrow'
import { tableOfArrow } from './arrow-cells.ts'
import { tableDifference } from './compare-tables.ts'
import type { Oracle } from './duckdb-oracle.ts'
import type { ConcatApi, FrameLike, GeneratedQuery } from './query-generator.ts'
import type { Variant } from './variants.ts'

/** What of a query's outcome is looked at. */
export interface Collected {
  readonly table: Table
  readonly spilledBytes: number
}

export interface EngineUnderTest {
  readonly scan: (paths: readonly string[]) => FrameLike
  readonly api: ConcatApi
  readonly collect: (frame: FrameLike) => Promise<Collected>
}

export interface QueryCheck {
  readonly engine: EngineUnderTest
  readonly variant: Variant
  readonly oracle: Oracle
  readonly query: GeneratedQuery
  /** Parquet files that Spillway scans. */
  readonly paths: readonly string[]
  /** The same rows in the same order as a table of the oracle. */
  readonly oracleTable: string
}

/**
 * What is wrong with the answer, with the query spelled out, or undefined. Floats may differ by 1e-9 relatively or
 * 1e-6 absolutely: generated floats are multiples of 2^-10 below 8,192, so the terms of sums are far larger than that.
 * A ResourceError is accepted from variants that may fail; any other error is thrown on.
 */
export async function queryDifference(check: QueryCheck): Promise<string | undefined> {
  const { engine, variant, oracle, query } = check
  const expected = await oracle.query(query.sql(check.oracleTable))
  let collected: Collected
  try {
    collected = await engine.collect(query.build(engine.scan(check.paths), engine.api))
  } catch (error) {
    if (variant.mayFail && isResourceError(error)) return undefined
    throw error
  }
  const difference = tableDifference(tableOfArrow(collected.table), expected, {
    ordered: query.ordered,
    relativeFloat: 1e-9,
    absoluteFloat: 1e-6,
  })
  const told = (text: string) => `${text}\nvariant ${variant.name}\n${query.steps.join('\n')}\n${query.sql('t')}`
  if (difference !== undefined) return told(difference)
  if (query.canSpill && expected.rows.length > 0) {
    const missed = variant.missed({ spilledBytes: collected.spilledBytes })
    if (missed !== undefined) return told(`variant not reached: ${missed}`)
  }
  return undefined
}

const RESOURCE_CODES: ReadonlySet<unknown> = new Set([
  'MEMORY_LIMIT',
  'SPILL_DISK_FULL',
  'SPILL_IO',
  'SPILL_CORRUPTION',
])

/** Matched by code: the error may come from another copy of the class. */
function isResourceError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && RESOURCE_CODES.has(error.code)
}
