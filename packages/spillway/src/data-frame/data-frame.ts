/**
 * DataFrame: rows in memory, in Arrow's layout. What `collect()` gives and what an in-memory query starts from.
 *
 * It holds a SharedTable and never changes it. Nothing here computes: `lazy()` starts a query, the rest is reading.
 */
import type { DataType, LeftOutColumn, SharedTable } from '@spillway/columnar'
import { estimateTableBytes, joinTables, makeValueReader, shareTable, typeEquals, typeName } from '@spillway/columnar'
import { type ColumnInput, fromArrowTable, fromColumns, type TypedArray, toArrowTable } from '@spillway/columnar/arrow'
import type { QueryMetrics } from '@spillway/engine'
import { findNearestName, makeInMemory, type SchemaTypes } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import type { Table as ArrowTable } from 'apache-arrow'
import { LazyFrame } from '../lazy-frame/lazy-frame.ts'
import { type QuerySession, requireDefaultSession } from '../session.ts'
import { FrameColumn } from './frame-column.ts'
import type { RecordOf } from './record-types.ts'
import { tableHtml, tableText } from './table-text.ts'

const ownProperty = { configurable: true, enumerable: true, writable: true }

class Frame<S extends SchemaTypes = SchemaTypes> {
  /** The rows. Its buffers must not be written to. */
  readonly table: SharedTable
  /** What the query that made it did; undefined for a frame that no query made. */
  readonly metrics: QueryMetrics | undefined
  #shared: SharedTable | undefined
  #arrow: ArrowTable | undefined
  #session: QuerySession | undefined

  /** @param session runs the queries that start from this frame; undefined = the default one, when it is needed. */
  constructor(table: SharedTable, session: QuerySession | undefined, metrics?: QueryMetrics) {
    this.table = table
    this.#session = session
    this.metrics = metrics
  }

  /** Number of rows. */
  get height(): number {
    return this.table.rowCount
  }

  /** Number of columns. */
  get width(): number {
    return this.table.schema.fields.length
  }

  get shape(): { height: number; width: number } {
    return { height: this.height, width: this.width }
  }

  /** Column names, in order. */
  get columns(): string[] {
    return this.table.schema.fields.map((field) => field.name)
  }

  /** Data types by column name. */
  get schema(): S {
    return Object.fromEntries(this.table.schema.fields.map((field) => [field.name, field.type])) as unknown as S
  }

  /** Columns of the query's files that cannot be read and are therefore missing: name, file, type and reason. */
  get leftOut(): readonly LeftOutColumn[] {
    return this.table.schema.leftOut ?? []
  }

  /** Bytes of values, strings and validity that the rows refer to. */
  estimatedBytes(): number {
    return estimateTableBytes(this.table)
  }

  /**
   * The rows as an Apache Arrow table over the same buffers. One record batch per chunk.
   * The buffers may be SharedArrayBuffers. The table belongs to the ES module copy of apache-arrow: give it to
   * functions that were imported, not required, since the library's two copies do not write each other's tables.
   */
  toArrow(): ArrowTable {
    this.#arrow ??= toArrowTable(this.table.schema, this.table.chunks)
    return this.#arrow
  }

  /**
   * The rows as plain objects: int64 and uint64 as bigint, decimals as text with all digits of the scale, dates and
   * timestamps as Date, null as null. A Date holds milliseconds: micro- and nanoseconds are floored to them;
   * `getColumn(name).toArray()` gives all digits.
   *
   * ```ts
   * DataFrame({ id: [1, 2], name: ['Ada', null] }).toRecords() // [{ id: 1, name: 'Ada' }, { id: 2, name: null }]
   * ```
   */
  toRecords(): RecordOf<S>[] {
    const names = this.columns
    const records: RecordOf<S>[] = []
    for (const chunk of this.table.chunks) {
      const readers = chunk.columns.map(makeValueReader)
      for (let row = 0; row < chunk.rowCount; row++) {
        const record: Record<string, unknown> = {}
        for (let column = 0; column < names.length; column++) {
          const name = names[column] as string
          const value = readers[column]?.(row)
          // A plain assignment of that name would set the record's prototype.
          if (name === '__proto__') Object.defineProperty(record, name, { value, ...ownProperty })
          else record[name] = value
        }
        records.push(record as RecordOf<S>)
      }
    }
    return records
  }

  /** One column. @throws PlanError COLUMN_NOT_FOUND with the nearest name. */
  getColumn<K extends keyof S & string>(name: K): FrameColumn<S[K]> {
    const index = this.columns.indexOf(name)
    const field = this.table.schema.fields[index]
    if (field === undefined) {
      const nearest = findNearestName(name, this.columns)
      const advice = nearest === undefined ? '' : ` (did you mean "${nearest}"?)`
      throw makeError('COLUMN_NOT_FOUND', `Column not found: "${name}"${advice}`, { column: name })
    }
    const chunks = this.table.chunks.map((chunk) => chunk.columns[index] as (typeof chunk.columns)[number])
    return new FrameColumn(name, field.type as S[K], chunks)
  }

  /**
   * Starts a query over these rows.
   *
   * ```ts
   * DataFrame({ a: [1, 2, 3] }).lazy().filter(col('a').gt(1))
   * // FILTER col("a") > 1
   * //   IN-MEMORY 3 rows ["a"]
   * ```
   */
  lazy(): LazyFrame<S> {
    const table = this.sharedTable()
    const { schema, rowCount } = table
    const plan = makeInMemory({ schema, rowCount, table, columns: undefined, slice: undefined })
    return new LazyFrame<S>(plan, this.#session ?? requireDefaultSession())
  }

  /** The rows over shared buffers, as workers need them: converted at the first call, then kept. */
  sharedTable(): SharedTable {
    this.#shared ??= shareTable(this.table)
    return this.#shared
  }

  /** Shape, names, types, and the first and last rows, in a box. */
  toString(): string {
    return tableText(this.table)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return tableText(this.table)
  }

  /** What JavaScript notebooks show. */
  [Symbol.for('Jupyter.display')](): Record<string, string> {
    return { 'text/plain': tableText(this.table), 'text/html': tableHtml(this.table) }
  }
}
// Callers know the class by its public name, so errors and debuggers show that one.
Object.defineProperty(Frame, 'name', { value: 'DataFrame' })

export type DataFrame<S extends SchemaTypes = SchemaTypes> = Frame<S>

/** Wraps a table: what an engine returns from `collect`. Nothing is copied. */
export function dataFrameFromTable<S extends SchemaTypes = SchemaTypes>(
  table: SharedTable,
  session?: QuerySession,
  metrics?: QueryMetrics,
): DataFrame<S> {
  return new Frame<S>(table, session, metrics)
}

/** A DataFrame of an Apache Arrow table; buffers are copied once into shared memory unless they lie there already. */
export function fromArrow<S extends SchemaTypes = SchemaTypes>(
  table: ArrowTable,
  session?: QuerySession,
): DataFrame<S> {
  return new Frame<S>(fromArrowTable(table), session)
}

/**
 * All rows of the first frame, then of the second …, over the same buffers.
 * @throws PlanError INVALID_PLAN or TYPE_MISMATCH when columns differ, or there is no frame.
 */
export function concatDataFrames<S extends SchemaTypes>(frames: readonly DataFrame<S>[]): DataFrame<S> {
  const [first] = frames
  if (first === undefined) throw makeError('INVALID_PLAN', 'Concat needs at least one frame: got 0.')
  for (const [index, frame] of frames.entries()) checkSameColumns(first.table, frame.table, index)
  const fields = first.table.schema.fields.map((field, index) => ({
    name: field.name,
    type: field.type,
    nullable: frames.some((frame) => frame.table.schema.fields[index]?.nullable ?? true),
  }))
  const tables = frames.map((frame) => frame.table)
  return new Frame<S>(joinTables({ fields }, tables), undefined)
}

function checkSameColumns(expected: SharedTable, actual: SharedTable, frameIndex: number): void {
  const width = Math.max(expected.schema.fields.length, actual.schema.fields.length)
  for (let index = 0; index < width; index++) {
    const left = expected.schema.fields[index]
    const right = actual.schema.fields[index]
    if (left?.name !== right?.name || left === undefined || right === undefined) {
      const names = `"${right?.name ?? 'nothing'}" in frame ${frameIndex}, "${left?.name ?? 'nothing'}" in frame 0`
      throw makeError('INVALID_PLAN', `Concat needs equal columns: column ${index} is ${names}.`, { frame: frameIndex })
    }
    if (!typeEquals(left.type, right.type)) {
      const types = `${typeName(right.type)} in frame ${frameIndex}, ${typeName(left.type)} in frame 0`
      throw makeError(
        'TYPE_MISMATCH',
        `Concat needs equal types: column "${left.name}" is ${types}. Cast one of them.`,
        {
          column: left.name,
        },
      )
    }
  }
}

/** The data type that a column of these values gets; see `fromColumns`. Arrays too have a member `values`. */
type InferColumn<C> = C extends { readonly type: infer D extends DataType }
  ? D
  : C extends readonly unknown[] | TypedArray
    ? InferElement<C>
    : C extends { readonly values: infer V }
      ? InferElement<V>
      : DataType

type InferElement<C> = C extends Float64Array
  ? { readonly kind: 'float64' }
  : C extends Float32Array
    ? { readonly kind: 'float32' }
    : C extends Int8Array
      ? { readonly kind: 'int8' }
      : C extends Int16Array
        ? { readonly kind: 'int16' }
        : C extends Int32Array
          ? { readonly kind: 'int32' }
          : C extends Uint16Array
            ? { readonly kind: 'uint16' }
            : C extends Uint32Array
              ? { readonly kind: 'uint32' }
              : C extends Uint8Array | Uint8ClampedArray
                ? { readonly kind: 'uint8' }
                : C extends BigUint64Array
                  ? { readonly kind: 'uint64' }
                  : C extends BigInt64Array
                    ? { readonly kind: 'int64' }
                    : C extends readonly (infer V)[]
                      ? InferValue<NonNullable<V>>
                      : DataType

type InferValue<V> = [V] extends [never]
  ? { readonly kind: 'null' }
  : [V] extends [number]
    ? { readonly kind: 'float64' }
    : [V] extends [bigint]
      ? { readonly kind: 'int64' }
      : [V] extends [boolean]
        ? { readonly kind: 'boolean' }
        : [V] extends [string]
          ? { readonly kind: 'utf8' }
          : [V] extends [Date]
            ? Extract<DataType, { kind: 'timestamp' }>
            : [V] extends [Uint8Array]
              ? { readonly kind: 'binary' }
              : DataType

type ColumnInputs = Readonly<Record<string, ColumnInput>>
type NoTypes = Readonly<Record<never, DataType>>

/** The schema of a literal DataFrame: explicit types first, then what the values say. */
export type InferFrame<C extends ColumnInputs, T extends Partial<Record<keyof C & string, DataType>>> = {
  readonly [K in keyof C]: K extends keyof T ? (T[K] extends DataType ? T[K] : DataType) : InferColumn<C[K]>
}

/** `DataFrame` as a value: callable with and without `new`, and the home of its constructors. */
export interface DataFrameConstructor {
  /**
   * A DataFrame of columns: arrays, typed arrays, or `{ values, type }`. See `fromColumns` for what each type takes.
   *
   * ```ts
   * DataFrame({ id: new Int32Array([1, 2]), amount: ['1.50', null] }, { amount: DataType.Decimal(12, 2) })
   * ```
   *
   * @throws DataError CAST_FAILED or PlanError TYPE_MISMATCH, naming column and row.
   */
  <const C extends ColumnInputs, const T extends Partial<Record<keyof C & string, DataType>> = NoTypes>(
    columns: C,
    types?: T,
  ): DataFrame<InferFrame<C, T>>
  new <const C extends ColumnInputs, const T extends Partial<Record<keyof C & string, DataType>> = NoTypes>(
    columns: C,
    types?: T,
  ): DataFrame<InferFrame<C, T>>
  readonly fromArrow: typeof fromArrow
  readonly concat: typeof concatDataFrames
  readonly prototype: DataFrame
}

function constructDataFrame(columns: ColumnInputs, types: Readonly<Record<string, DataType>> = {}): DataFrame {
  return new Frame(fromColumns(columns, types), undefined)
}

// A plain function answers to `new` as well: the frame it returns becomes the result. Sharing the class's prototype
// makes `instanceof DataFrame` true for every frame.
constructDataFrame.prototype = Frame.prototype
Object.defineProperty(constructDataFrame, 'name', { value: 'DataFrame' })

export const DataFrame = Object.assign(constructDataFrame, {
  fromArrow,
  concat: concatDataFrames,
}) as unknown as DataFrameConstructor
