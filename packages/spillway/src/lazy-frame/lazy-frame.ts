/**
 * LazyFrame: an immutable plan and the session that can run it. Every method makes the next plan and returns a new
 * frame; types and names are checked at once, nothing is read before a terminal operation.
 *
 * `S` is the schema as the compiler sees it; without a declared schema it is open and everything type-checks.
 */
import {
  type Expr,
  explainPlan,
  type FixedTree,
  type Int64Type,
  len,
  type LogicalNode,
  makeAggregation,
  makeConcat,
  makeSlice,
  type NamedExpr,
  notePlanDepth,
  type SchemaTypes,
  refuseSurplus,
} from '@spillway/plan'
import type { DataType, LeftOutColumn } from '@spillway/columnar'
import { type PathArgument, pathOf } from '@spillway/formats'
import { makeError } from '@spillway/stdx'
import type { RecordBatch } from 'apache-arrow'
import type { DataFrame } from '../data-frame/data-frame.ts'
import {
  type CollectBatchesOptions,
  type ExplainOptions,
  type QueryOptions,
  type QuerySession,
  requireDefaultSession,
  type SinkIpcOptions,
  type SinkParquetOptions,
  type SinkResult,
} from '../session.ts'
import type { Joined } from '../types/join-types.ts'
import type { Dropped, Merge, Renamed, Selected, SelectorArg } from '../types/frame-types.ts'
import { planFilters } from './filter-rows.ts'
import { LazySink } from './lazy-sink.ts'
import { planJoin } from './join-frames.ts'
import { type JoinOptions, resolveJoinOptions } from './join-options.ts'
import {
  nameExprs,
  planDrop,
  planRename,
  planRowIndex,
  planSlice,
  planSelect,
  planWithColumns,
  selectorNodes,
} from './select-columns.ts'
import {
  type SortArguments,
  planSort,
  planTop,
  type SortBy,
  type SortByOptions,
  sortOptions,
  type TopKOptions,
} from './sort-rows.ts'
import { planUnique, type UniqueOptions, uniqueOptions } from './unique-rows.ts'

/** Rows that head and limit take when no number is given. */
const HEAD_ROWS = 5

/** Of a file sink: `true` makes it part of a `collectAll`. */
interface Lazy {
  readonly lazy?: boolean
}

export class LazyFrame<S extends SchemaTypes = SchemaTypes> {
  readonly plan: LogicalNode
  readonly session: QuerySession
  /** Never set; carries `S` for the compiler. */
  declare readonly schemaType: S

  /** Frames are made by scanParquet, DataFrame.lazy(), LazyFrame({…}); this is for those. */
  constructor(plan: LogicalNode, session: QuerySession) {
    notePlanDepth(plan)
    this.plan = plan
    this.session = session
  }

  /** Data types by column name, in order. */
  get schema(): { readonly [K in keyof S]: DataType } {
    const entries = this.plan.schema.fields.map((field) => [field.name, field.type])
    return Object.fromEntries(entries) as { readonly [K in keyof S]: DataType }
  }
  /** Column names, in order. */
  get columns(): string[] {
    return this.plan.schema.fields.map(({ name }) => name)
  }
  /** Columns of the frame's files that cannot be read and are therefore missing: name, file, type and reason. */
  get leftOut(): readonly LeftOutColumn[] {
    return this.plan.schema.leftOut ?? []
  }
  get width(): number {
    return this.plan.schema.fields.length
  }

  /**
   * One column per name or expression. Aggregates give exactly one row: `select(sum('a'), len())`.
   *
   * ```ts
   * orders.select('city', col('price').mul(1.1).alias('gross'))
   * // PROJECT [col("city"), (col("price") * 1.1).alias("gross")]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, DUPLICATE_COLUMN, INVALID_PLAN (no column)
   */
  select<const Args extends readonly SelectorArg[]>(...selectors: Args): LazyFrame<Selected<S, Args>> {
    return this.next(planSelect(this.plan, selectors))
  }
  /**
   * All columns, with those of the expressions replaced in their place or added behind.
   *
   * ```ts
   * orders.withColumns(col('price').mul(col('quantity')).alias('amount'))
   * // PROJECT [col("city"), col("price"), col("quantity"), (col("price") * col("quantity")).alias("amount")]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, DUPLICATE_COLUMN, INVALID_PLAN (an aggregate)
   */
  withColumns<const Args extends readonly SelectorArg[]>(...selectors: Args): LazyFrame<Merge<S, Selected<S, Args>>> {
    return this.next(planWithColumns(this.plan, selectors))
  }
  /** `withColumns` for one expression. */
  withColumn<const E extends Expr>(expr: E): LazyFrame<Merge<S, Selected<S, readonly [E]>>> {
    return this.next(planWithColumns(this.plan, [expr]))
  }
  /**
   * The rows for which every predicate is true (not false, not null), in order. Same as `where`.
   *
   * ```ts
   * orders.filter(col('price').gt(10), col('city').isIn(['Oslo', 'Rome']))
   * // FILTER col("city").isIn(["Oslo", "Rome"])
   * //   FILTER col("price") > 10
   * //     IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH (not boolean), INVALID_PLAN (an aggregate)
   */
  filter(...predicates: readonly Expr[]): LazyFrame<S> {
    return this.next(planFilters(this.plan, predicates))
  }
  /** Same as `filter`. */
  where(...predicates: readonly Expr[]): LazyFrame<S> {
    return this.filter(...predicates)
  }
  /**
   * All columns but these.
   *
   * ```ts
   * orders.drop('quantity')
   * // PROJECT [col("city"), col("price")]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND
   */
  drop<const N extends string>(...names: readonly (N | readonly N[])[]): LazyFrame<Dropped<S, N>> {
    return this.next(planDrop(this.plan, names.flat() as string[]))
  }
  /**
   * New names by old ones, all at once: `{ a: 'b', b: 'a' }` swaps.
   *
   * ```ts
   * orders.rename({ city: 'town' })
   * // PROJECT [col("city").alias("town"), col("price"), col("quantity")]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, DUPLICATE_COLUMN
   */
  rename<const R extends { readonly [name: string]: string }>(mapping: R): LazyFrame<Renamed<S, R>> {
    return this.next(planRename(this.plan, mapping))
  }
  /**
   * Groups by names or expressions; follow it with `agg`. Null is a group, NaN is a group, and -0 is 0. The order of
   * groups is not defined.
   *
   * ```ts
   * orders.groupBy('city').agg(col('price').mean(), len().alias('orders'))
   * // GROUP BY [col("city")] [col("price").mean(), len().alias("orders")]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, INVALID_PLAN (no key)
   */
  groupBy<const Keys extends readonly SelectorArg[]>(...keys: Keys): LazyGroupBy<S, Selected<S, Keys>> {
    const nodes = selectorNodes(keys)
    if (nodes.length === 0) throw makeError('INVALID_PLAN', 'groupBy needs at least one key: got 0. Use select().')
    return new LazyGroupBy(this.plan, nameExprs(nodes, this.plan.schema), this.session)
  }
  /**
   * One row per distinct value of all columns, or of a subset: of equal rows the first one, or the last with `keep:
   * 'last'`. The order of rows is not defined.
   *
   * ```ts
   * orders.unique()
   * // GROUP BY [col("city"), col("price"), col("quantity")] []
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND
   */
  unique(subset?: string | readonly string[] | UniqueOptions, ...surplus: readonly never[]): LazyFrame<S> {
    return this.next(planUnique(this.plan, uniqueOptions(subset, surplus)))
  }
  /**
   * All rows in the order of one or more keys, ascending with nulls first unless said otherwise, for all keys or for
   * each. Rows with equal keys keep their order. NaN is greater than every number; text is ordered by UTF-8 bytes.
   *
   * ```ts
   * orders.sort(['city', col('price').mul(col('quantity'))], { descending: [false, true], nullsLast: true })
   * // SORT [col("city") nulls last, col("price") * col("quantity") descending nulls last]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, INVALID_PLAN (no key, an aggregate), INVALID_OPTION
   */
  sort(by: SortBy | SortByOptions, ...rest: SortArguments): LazyFrame<S> {
    return this.next(planSort(this.plan, sortOptions(by, rest)))
  }
  /**
   * The `k` rows with the largest keys, largest first; nulls come after all values. `descending` changes the direction
   * of single keys. Takes memory for `k` rows. `sort(…).head(k)` is the same for any order.
   *
   * ```ts
   * orders.topK(2, { by: 'price' })
   * // TOP 2 rows by [col("price") descending nulls last]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError as `sort`
   */
  topK(k: number, options: TopKOptions): LazyFrame<S> {
    return this.next(planTop(this.plan, k, options, 'topK'))
  }
  /** The `k` rows with the smallest keys, smallest first; nulls come after all values. */
  bottomK(k: number, options: TopKOptions): LazyFrame<S> {
    return this.next(planTop(this.plan, k, options, 'bottomK'))
  }
  /**
   * The first rows, 5 if not said.
   *
   * ```ts
   * orders.head(2)
   * // SLICE 2 rows from 0
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError INVALID_OPTION (not a whole number from 0)
   */
  head(length: number = HEAD_ROWS): LazyFrame<S> {
    return this.next(makeSlice(this.plan, 0, length))
  }
  /** Same as `head`. */
  limit(length: number = HEAD_ROWS): LazyFrame<S> {
    return this.head(length)
  }
  /**
   * Rows from `offset` on, counted from 0; all that follow, or `length` of them.
   *
   * ```ts
   * orders.slice(1, 2)
   * // SLICE 2 rows from 1
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError INVALID_OPTION
   */
  slice(offset: number | { readonly offset: number; readonly length?: number }, length?: number): LazyFrame<S> {
    return this.next(planSlice(this.plan, offset, length))
  }
  /**
   * Rows of this frame beside those of another one with equal keys. Null keys match nothing unless `nullsEqual` is set;
   * NaN equals NaN and -0 equals 0. Of keys that are plain columns one column per pair comes out, except for `full`;
   * names that both frames have get the suffix on the right. The order of rows is not defined without `maintainOrder`.
   *
   * ```ts
   * orders.join(cities, { on: 'city', how: 'left' })
   * // LEFT JOIN [col("city")] = [col("city")] output [left "city", left "price", left "quantity", right "country"]
   * //   IN-MEMORY 4 rows ["city", "price", "quantity"]
   * //   IN-MEMORY 2 rows ["city", "country"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH (keys without a common type), DUPLICATE_COLUMN, INVALID_OPTION,
   *   INVALID_PLAN (an aggregate as a key, a frame of another engine)
   */
  join<R extends SchemaTypes, const O extends JoinOptions>(
    other: LazyFrame<R>,
    options: O,
    ...surplus: never[]
  ): LazyFrame<Joined<S, R, O>> {
    refuseSurplus(surplus, 'join', 'Put all options in one object.')
    if (!(other instanceof LazyFrame)) {
      throw makeError('INVALID_PLAN', 'join needs a lazy frame on its right. Call .lazy() on a DataFrame.')
    }
    const session = commonSession(this.session, other.session)
    return new LazyFrame(planJoin(this.plan, other.plan, resolveJoinOptions(options)), session)
  }

  /**
   * All columns behind a new first one that numbers the rows in order, from `offset` on, without gaps.
   *
   * ```ts
   * orders.withRowIndex('row', 1)
   * // PROJECT [col("row"), col("city"), col("price"), col("quantity")]
   * //   ROW INDEX "row" from 1
   * //     IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError DUPLICATE_COLUMN, INVALID_OPTION (not a whole number)
   */
  withRowIndex<const N extends string = 'index'>(
    name: N = 'index' as N,
    offset: number = 0,
  ): LazyFrame<Merge<{ readonly [K in N]: Int64Type }, S>> {
    return this.next(planRowIndex(this.plan, name, offset))
  }

  /** Declares the schema to the compiler; nothing is checked at run time. */
  as<T extends SchemaTypes>(): LazyFrame<T> {
    return this.next(this.plan)
  }

  /** The plan as written, as a tree. */
  describePlan(): string {
    return explainPlan(this.plan)
  }
  /** The plan as it will run, as a tree. */
  describeOptimizedPlan(options: QueryOptions = {}): Promise<string> {
    return this.session.explain(this.plan, { ...options, optimized: true })
  }
  /**
   * The plan that will run as text; as written with `optimized: false`; with pipelines, memory classes, row groups
   * skipped, limit and floor with `physical: true`.
   *
   * ```ts
   * await orders.filter(lit(true)).explain() // 'IN-MEMORY 4 rows ["city", "price", "quantity"]'
   * ```
   * @throws INVALID_OPTION, MEMORY_LIMIT (physical: the limit is below the floor), ENGINE_CLOSED
   */
  explain(options: ExplainOptions = {}): Promise<string> {
    return this.session.explain(this.plan, options)
  }
  /**
   * Runs the query and holds its result in memory, within the limit.
   *
   * ```ts
   * const frame = await orders.filter(col('price').gt(10)).collect({ memoryLimit: '512MB' })
   * frame.toRecords()
   * ```
   * @throws INVALID_OPTION, MEMORY_LIMIT, SPILL_DISK_FULL, SPILL_IO, SPILL_CORRUPTION, CAST_FAILED, OVERFLOW, CANCELLED
   *   and what reading files may give: FILE_NOT_FOUND, FILE_UNREADABLE, PARQUET_CORRUPT, PAGE_CHECKSUM_MISMATCH
   */
  collect(options: QueryOptions = {}): Promise<DataFrame<S>> {
    return this.session.collect<S>(this.plan, options)
  }
  /**
   * Bytes of memory that the process needs for `collect`: the least `memoryLimit` with which it is going to succeed. An
   * estimate from above, from footers, the plan and what the process takes now; nothing is run. A filter is taken to
   * keep all rows of the parts that it cannot skip, a group-by to give a group per row, a join as many rows as both
   * inputs have together.
   *
   * ```ts
   * const bytes = await orders.filter(col('price').gt(10)).estimateMemoryRequired()
   * ```
   * @throws INVALID_OPTION, ENGINE_CLOSED, and what reading footers may give
   */
  async estimateMemoryRequired(options: QueryOptions = {}): Promise<number> {
    return (await this.session.estimateMemory(this.plan, options)).requiredBytes
  }
  /**
   * Whether `collect` is going to fit under the memory limit; if not, `collectBatches` or a sink does.
   *
   * ```ts
   * const frame = (await orders.canFitInMemory({ memoryLimit: '1GB' })) ? await orders.collect() : undefined
   * ```
   * @throws as `estimateMemoryRequired`
   */
  async canFitInMemory(options: QueryOptions = {}): Promise<boolean> {
    const { requiredBytes, limitBytes } = await this.session.estimateMemory(this.plan, options)
    return requiredBytes <= limitBytes
  }
  /**
   * Runs the query as its batches are taken, in order; the engine waits for the program. Leaving the loop cancels the
   * query. How large batches are adapts to memory and to the program's pace; `maxBatchBytes` bounds them, and a
   * `chunkStrategy` chooses their rows.
   *
   * ```ts
   * for await (const batch of orders.collectBatches({ maxBatchBytes: '4MB' })) {
   *   if (batch.numRows > 2) break // an Arrow record batch
   * }
   * ```
   * @throws as `collect`; INVALID_OPTION at the call, the others from the loop
   */
  collectBatches(options: CollectBatchesOptions = {}): AsyncIterable<RecordBatch> {
    return this.session.collectBatches(this.plan, options)
  }
  /**
   * Runs the query into a Parquet file, which appears only when it is complete; one of that name is replaced.
   *
   * ```ts
   * const { rowCount, bytes } = await orders.sinkParquet('orders.parquet', { compression: 'zstd' })
   * ```
   * With `lazy: true` nothing runs: the sink goes into `collectAll` beside others.
   * @throws as `collect`, and OUTPUT_FAILED
   */
  sinkParquet(path: PathArgument, options?: SinkParquetOptions): Promise<SinkResult>
  sinkParquet(path: PathArgument, options: SinkParquetOptions & { readonly lazy: true }): LazySink
  sinkParquet(path: PathArgument, options: SinkParquetOptions & Lazy = {}): Promise<SinkResult> | LazySink {
    const { lazy, ...rest } = options
    if (lazy !== true) return this.session.sinkParquet(this.plan, path, rest)
    return new LazySink(this.plan, this.session, {
      format: 'parquet',
      path: pathOf(path, 'sinkParquet'),
      options: rest,
    })
  }

  /**
   * Runs the query into an Arrow IPC file (Feather version 2), uncompressed: other Arrow libraries map it into memory
   * as it is. It appears only when it is complete; one of that name is replaced.
   *
   * ```ts
   * const { rowCount, bytes } = await orders.sinkIpc('orders.arrow')
   * ```
   * @throws as `collect`, and OUTPUT_FAILED
   */
  sinkIpc(path: PathArgument, options?: SinkIpcOptions): Promise<SinkResult>
  sinkIpc(path: PathArgument, options: SinkIpcOptions & { readonly lazy: true }): LazySink
  sinkIpc(path: PathArgument, options: SinkIpcOptions & Lazy = {}): Promise<SinkResult> | LazySink {
    const { lazy, ...rest } = options
    if (lazy !== true) return this.session.sinkIpc(this.plan, path, rest)
    return new LazySink(this.plan, this.session, { format: 'ipc', path: pathOf(path, 'sinkIpc'), options: rest })
  }

  toString(): string {
    return this.describePlan()
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `LazyFrame\n${this.describePlan()}`
  }

  private next<T extends SchemaTypes>(plan: LogicalNode): LazyFrame<T> {
    return new LazyFrame<T>(plan, this.session)
  }
}

/** Frames that name no engine run on the other frame's. @throws PlanError INVALID_PLAN when both name different ones */
function commonSession(left: QuerySession, right: QuerySession): QuerySession {
  if (left === right || right === requireDefaultSession()) return left
  if (left === requireDefaultSession()) return right
  throw makeError(
    'INVALID_PLAN',
    'The frames of a join belong to different engines. Make both with the same engine, or collect one of them first.',
  )
}

/** A frame with its keys chosen, waiting for `agg`. `K` is the schema of the keys. */
export class LazyGroupBy<S extends SchemaTypes, K extends SchemaTypes> {
  private readonly input: LogicalNode
  private readonly keys: readonly NamedExpr[]
  private readonly session: QuerySession

  constructor(input: LogicalNode, keys: readonly NamedExpr[], session: QuerySession) {
    this.input = input
    this.keys = keys
    this.session = session
  }
  /**
   * One row per group: the keys, then the aggregates. Expressions over aggregates are fine.
   *
   * ```ts
   * orders.groupBy('city').agg(col('price').sum().add(1).alias('more'))
   * // PROJECT [col("city"), (col("__aggregate_0") + 1).alias("more")]
   * //   GROUP BY [col("city")] [col("price").sum().alias("__aggregate_0")]
   * //     IN-MEMORY 4 rows ["city", "price", "quantity"]
   * ```
   * @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, DUPLICATE_COLUMN, INVALID_PLAN (no aggregate)
   */
  agg<const Args extends readonly (Expr | readonly Expr[])[]>(...exprs: Args): LazyFrame<Merge<K, Selected<S, Args>>> {
    return new LazyFrame(makeAggregation(this.input, this.keys, selectorNodes(exprs)), this.session)
  }
  /** The number of rows of each group, named "len". */
  len(): LazyFrame<Merge<K, Selected<S, readonly [Expr<'len', FixedTree<Int64Type>>]>>> {
    return this.agg(len())
  }
}

/** All rows of the first frame, then of the second …; the frames need equal columns, in the same order. */
export function concatLazy<S extends SchemaTypes>(frames: readonly LazyFrame<S>[]): LazyFrame<S> {
  const first = frames[0]
  const plan = makeConcat(frames.map((frame) => frame.plan))
  if (first === undefined) throw makeError('INVARIANT', 'Invariant broken: makeConcat refuses an empty list')
  return new LazyFrame<S>(plan, first.session)
}
