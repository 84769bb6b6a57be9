/**
 * Two tables to join, in Parquet files and in DuckDB: duplicates on both sides, keys that only one side has, nulls,
 * NaN, strings shorter and longer than a view. Every kind of join is answered by both engines and compared.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  col,
  concat,
  createEngine,
  len,
  max,
  min,
  type Engine,
  type JoinOptions,
  type LazyFrame,
  type QueryOptions,
  type DataFrame,
} from 'spillway'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { Oracle } from '../duckdb-oracle.ts'

/**
 * Rows of one side: an id, the row's number, a payload of about a hundred characters.
 * @param key SQL over the row's number `i`
 */
export const paddedRows = (side: string, key: string, count: number): string => `
  SELECT ${key}::BIGINT AS ${side}_id, i::BIGINT AS ${side}_row,
    repeat('${side}', i % 60 + 60) || i AS ${side}_payload
  FROM range(${count}) t(i)`

export const kinds = ['inner', 'left', 'right', 'full', 'semi', 'anti'] as const
export type Kind = (typeof kinds)[number]

export interface JoinCase {
  readonly name: string
  readonly how: Kind | 'cross'
  readonly left: string
  readonly right: string
  /** Columns of both sides, pairwise. */
  readonly keys: readonly string[]
  readonly nullsEqual?: boolean
  readonly buildSide?: 'left' | 'right'
}

const isOneSided = ({ how }: JoinCase): boolean => how === 'semi' || how === 'anti'

/** One row that depends on which rows were put together: counts, a sum over pairs, payload of both sides. */
export function totalsOf(frame: LazyFrame, joined: JoinCase): LazyFrame {
  const [left, right] = [col('l_row'), isOneSided(joined) ? col('l_row') : col('r_row')]
  const texts = [max('l_payload').alias('text'), ...(isOneSided(joined) ? [] : [min('r_payload').alias('other')])]
  return frame.select(
    len().alias('n'),
    left.count().alias('lefts'),
    right.count().alias('rights'),
    left.mul(31).add(right.mul(17)).mod(10_007).sum().alias('pairs'),
    ...texts,
  ) as LazyFrame
}

/** The same of the oracle. @param from the join, from its FROM on */
export function totalsSql(from: string, joined: JoinCase): string {
  const other = isOneSided(joined) ? 'l_row' : 'r_row'
  return `SELECT count(*) AS n, count(l_row) AS lefts, count(${other}) AS rights,
    coalesce(sum((l_row * 31 + ${other} * 17) % 10007), 0)::BIGINT AS pairs, max(l_payload) AS text
    ${isOneSided(joined) ? '' : ', min(r_payload) AS other'} ${from}`
}

export class JoinStage {
  readonly folder = mkdtempSync(join(tmpdir(), 'spillway-joins-'))
  readonly engine: Engine
  readonly oracle: Oracle

  private constructor(engine: Engine, oracle: Oracle) {
    this.engine = engine
    this.oracle = oracle
  }

  static async open(): Promise<JoinStage> {
    const oracle = await Oracle.open()
    const folder = mkdtempSync(join(tmpdir(), 'spillway-joins-spill-'))
    // Both answers of a comparison lie in this process too, as values of JavaScript: nearly a gigabyte of garbage.
    return new JoinStage(createEngine({ threads: 2, memoryLimit: '3GB', tempDir: folder, allowTmpfs: true }), oracle)
  }

  /** Makes a table of a SELECT, and its file. Column names must differ between the sides of a join. */
  async table(name: string, select: string): Promise<void> {
    await this.oracle.execute(`CREATE TABLE ${name} AS ${select}`)
    await this.oracle.execute(`COPY ${name} TO '${this.#path(name)}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`)
  }

  #path(name: string): string {
    return join(this.folder, `${name}.parquet`)
  }

  scan(name: string): LazyFrame {
    return this.engine.scanParquet(this.#path(name)) as LazyFrame
  }

  concat(frames: LazyFrame[]): LazyFrame {
    return concat(frames) as LazyFrame
  }

  frame({ left, right, keys, how, nullsEqual, buildSide }: JoinCase): LazyFrame {
    const on = how === 'cross' ? {} : { leftOn: keys.map((key) => `l_${key}`), rightOn: keys.map((key) => `r_${key}`) }
    const options: JoinOptions = {
      how,
      ...on,
      coalesce: false,
      ...(nullsEqual === undefined ? {} : { nullsEqual }),
      ...(buildSide === undefined ? {} : { buildSide }),
    }
    return this.scan(left).join(this.scan(right), options) as LazyFrame
  }

  sql({ left, right, keys, how, nullsEqual }: JoinCase): string {
    const equal = nullsEqual === true ? 'IS NOT DISTINCT FROM' : '='
    const on = keys.map((key) => `l_${key} ${equal} r_${key}`).join(' AND ')
    if (how === 'cross') return `FROM ${left}, ${right}`
    if (how === 'semi' || how === 'anti') {
      return `FROM ${left} WHERE ${how === 'anti' ? 'NOT ' : ''}EXISTS (SELECT 1 FROM ${right} WHERE ${on})`
    }
    return `FROM ${left} ${how.toUpperCase()} JOIN ${right} ON ${on}`
  }

  /** All rows of a join, compared with DuckDB's. Returns the result, for its metrics. */
  async check(joined: JoinCase, testing: QueryOptions['testing'], options: QueryOptions = {}): Promise<DataFrame> {
    const result = await this.frame(joined).collect({ ...options, testing })
    const expected = await this.oracle.query(`SELECT * ${this.sql(joined)}`)
    const difference = tableDifference(tableOfArrow(result.toArrow()), expected, {
      ordered: false,
      relativeFloat: 0,
      absoluteFloat: 0,
    })
    if (difference !== undefined) throw new Error(`${difference}\n${joined.name}: ${this.sql(joined)}`)
    return result
  }

  /**
   * The same for many rows: their number, those with a left and a right part, and a sum that depends on which rows were
   * put together, instead of all rows.
   */
  async checkTotals(
    joined: JoinCase,
    testing: QueryOptions['testing'],
    options: QueryOptions = {},
  ): Promise<DataFrame> {
    const result = await totalsOf(this.frame(joined), joined).collect({ ...options, testing })
    const expected = await this.oracle.query(totalsSql(this.sql(joined), joined))
    const exact = { ordered: false, relativeFloat: 0, absoluteFloat: 0 }
    const difference = tableDifference(tableOfArrow(result.toArrow()), expected, exact)
    if (difference !== undefined) throw new Error(`${difference}\n${joined.name}: ${this.sql(joined)}`)
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close()
    this.oracle.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Spill files that exist now. */
  filesLeft(): string[] {
    return readdirSync(this.folder).filter((name) => name.endsWith('.arrow'))
  }
}

/** What the metrics of a query say about its joins. */
export function reached(result: DataFrame) {
  const operators = (result.metrics?.operators ?? []).filter(({ label }) => label.includes('EQUI_JOIN'))
  const sum = (pick: (operator: (typeof operators)[number]) => number): number =>
    operators.reduce((total, operator) => total + pick(operator), 0)
  return {
    partitionsSpilled: sum((operator) => operator.partitionsSpilled),
    depth: Math.max(0, ...operators.map((operator) => operator.recursionDepth)),
    chunks: sum((operator) => operator.terminalChunks),
    spilledBytes: sum((operator) => operator.spilledBytes),
  }
}
