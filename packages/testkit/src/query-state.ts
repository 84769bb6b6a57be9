/** What a random query is while it is being made, and when it is done: two forms of the same question. */
import type { Expr } from 'spillway'
import { quoteName } from './duckdb-oracle.ts'
import type { QueryColumn } from './expr-generator.ts'

type AnyExpr = Expr<string, unknown>

/** The options of a join, as the public method takes them. */
export interface JoinChoices {
  readonly how: 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti' | 'cross'
  readonly leftOn?: AnyExpr[] | undefined
  readonly rightOn?: AnyExpr[] | undefined
  readonly suffix?: string | undefined
  readonly coalesce?: boolean | undefined
  readonly nullsEqual?: boolean | undefined
  readonly maintainOrder?: 'none' | 'leftRight' | 'rightLeft' | undefined
  readonly buildSide?: 'auto' | 'left' | 'right' | undefined
}

/** The part of LazyFrame that generated queries use. Structural: no import from above, and twins can stand in. */
export interface FrameLike {
  filter(predicate: AnyExpr): FrameLike
  select(...exprs: AnyExpr[]): FrameLike
  withColumns(...exprs: AnyExpr[]): FrameLike
  groupBy(...keys: string[]): { agg(...aggregates: AnyExpr[]): FrameLike }
  unique(): FrameLike
  slice(offset: number, length: number): FrameLike
  join(other: FrameLike, options: JoinChoices): FrameLike
  sort(keys: AnyExpr[], options: { descending: boolean[]; nullsLast: boolean[] }): FrameLike
}

export interface ConcatApi {
  concat(frames: FrameLike[]): FrameLike
}

export interface GeneratedQuery {
  /** Output columns; their types are what Spillway must report. */
  readonly columns: readonly QueryColumn[]
  /** Whether the output order is defined and must be equal. */
  readonly ordered: boolean
  /** Whether a blocking sink (group-by, unique) takes part. */
  readonly hasSink: boolean
  /** Whether the last sink has keys: with any row in the answer, variants that force spilling must have spilled. */
  readonly canSpill: boolean
  readonly build: (frame: FrameLike, api: ConcatApi) => FrameLike
  /** SQL over a source, a table name or a call like read_parquet('…'). */
  readonly sql: (source: string) => string
  /** One line per step, for failure messages. */
  readonly steps: readonly string[]
}

/** The carried row number. */
export const ROW = '__row'

/** A query while it is being made. */
export interface State {
  readonly columns: readonly QueryColumn[]
  readonly ordered: boolean
  readonly hasSink: boolean
  /** Whether a join has made pairs: a second one that does would make too many rows. */
  readonly hasJoin: boolean
  readonly canSpill: boolean
  /** After a sort, what canSpill would be without it: a slice makes it a top-k, which need not spill. */
  readonly canSpillUnsorted: boolean | undefined
  readonly build: GeneratedQuery['build']
  readonly sql: GeneratedQuery['sql']
  readonly steps: readonly string[]
}

/** Names for SQL. */
export const names = (columns: readonly QueryColumn[]): string => columns.map(({ name }) => quoteName(name)).join(', ')

/** The carried row number, as one more select item, when there is an order. */
export const carried = (state: State): string => (state.ordered ? `, ${ROW}` : '')
