/**
 * `LazyFrame({ key: intRange(0, n), payload: repeat('x', n) })`: a frame from described or given columns.
 *
 * Described columns (intRange, repeat) are computed as the query runs and take no memory. Arrays and typed arrays are
 * copied once. When both kinds meet, the described ones are written out.
 */
import type { DataType } from '@spillway/columnar'
import { type ColumnInput, fromColumns } from '@spillway/columnar/arrow'
import {
  decimalText,
  type Float32Type,
  type Float64Type,
  GeneratedSpec,
  type GeneratedColumn,
  type Int32Type,
  type Int64Type,
  type LogicalNode,
  makeGenerated,
  makeInMemory,
  refuseUnknownOptions,
  type SchemaTypes,
  type TimestampType,
  type UInt64Type,
  type BinaryType,
  type Utf8Type,
} from '@spillway/plan'
import { makeError, unreachable } from '@spillway/stdx'
import { type QuerySession, requireDefaultSession } from '../session.ts'
import { concatLazy, LazyFrame as LazyFrameClass } from './lazy-frame.ts'

/** One column: described, or its values. */
export type LazyColumnInput = GeneratedSpec | ColumnInput

type ElementType<V> = V extends bigint
  ? Int64Type
  : V extends number
    ? Float64Type
    : V extends string
      ? Utf8Type
      : V extends boolean
        ? { readonly kind: 'boolean' }
        : V extends Date
          ? TimestampType
          : V extends Uint8Array
            ? BinaryType
            : DataType

/** The data type of a column of `LazyFrame({…})`, as far as the compiler can tell. */
export type InputType<C> =
  C extends GeneratedSpec<infer D>
    ? D
    : C extends { readonly values: unknown; readonly type: infer D extends DataType }
      ? D
      : C extends Int32Array
        ? Int32Type
        : C extends BigInt64Array
          ? Int64Type
          : C extends BigUint64Array
            ? UInt64Type
            : C extends Float32Array
              ? Float32Type
              : C extends Float64Array
                ? Float64Type
                : C extends readonly (infer V)[]
                  ? ElementType<Exclude<V, null | undefined>>
                  : DataType

export type InputTypes<C extends Readonly<Record<string, LazyColumnInput>>> = {
  readonly [K in keyof C]: InputType<C[K]>
}

export interface LazyFrameOptions {
  /** Types by column name; values are converted to them. */
  readonly schema?: Readonly<Record<string, DataType>>
  readonly session?: QuerySession
}

function planColumns(columns: Readonly<Record<string, LazyColumnInput>>, options: LazyFrameOptions): LogicalNode {
  const entries = Object.entries(columns)
  const described = entries.flatMap(([name, column]) =>
    column instanceof GeneratedSpec ? [{ name, spec: column as GeneratedSpec }] : [],
  )
  if (described.length === entries.length && entries.length > 0 && options.schema === undefined) {
    const rowCount = described[0]?.spec.rowCount ?? 0
    for (const { name, spec } of described) {
      if (spec.rowCount === rowCount) continue
      const lengths = `"${name}" has ${spec.rowCount} rows, "${described[0]?.name}" has ${rowCount}`
      throw makeError('INVALID_OPTION', `Columns differ in length: ${lengths}. Give all the same length.`, {
        column: name,
      })
    }
    return makeGenerated({ rowCount, columns: described.map(({ name, spec }) => spec.named(name)), slice: undefined })
  }
  const values = Object.fromEntries(
    entries.map(([name, column]) => [
      name,
      column instanceof GeneratedSpec ? writeOut(column.named(name), column.rowCount) : column,
    ]),
  )
  const table = fromColumns(values, options.schema)
  return makeInMemory({ schema: table.schema, rowCount: table.rowCount, table, columns: undefined, slice: undefined })
}

/** The values of a described column beside given ones. */
function writeOut(column: GeneratedColumn, rowCount: number): ColumnInput {
  switch (column.kind) {
    case 'intRange': {
      const values = Array.from({ length: rowCount }, (_, row) => column.start + column.step * BigInt(row))
      return { values, type: column.type }
    }
    case 'repeat': {
      const { value, type } = column
      // A scaled decimal would be read as a whole number, so it goes in as text.
      const given = type.kind === 'decimal' && value !== null ? decimalText(BigInt(value), type.scale) : value
      return { values: new Array(rowCount).fill(given), type }
    }
    default:
      return unreachable(column)
  }
}

/** The public `LazyFrame`: callable with and without `new`, and the class for `instanceof`. */
export interface LazyFrameFunction {
  <const C extends Readonly<Record<string, LazyColumnInput>>>(
    columns: C,
    options?: LazyFrameOptions,
  ): LazyFrameClass<InputTypes<C>>
  new <const C extends Readonly<Record<string, LazyColumnInput>>>(
    columns: C,
    options?: LazyFrameOptions,
  ): LazyFrameClass<InputTypes<C>>
  readonly prototype: LazyFrameClass
  /** All rows of the first frame, then of the second …. */
  concat<S extends SchemaTypes>(frames: readonly LazyFrameClass<S>[]): LazyFrameClass<S>
}

/** Makes a lazy frame of columns. @throws PlanError INVALID_OPTION when the columns differ in length. */
function makeLazyFrame(
  columns: Readonly<Record<string, LazyColumnInput>>,
  options: LazyFrameOptions = {},
): LazyFrameClass {
  refuseUnknownOptions(options, ['schema', 'session'], 'LazyFrame')
  return new LazyFrameClass(planColumns(columns, options), options.session ?? requireDefaultSession())
}

function callable(columns: Readonly<Record<string, LazyColumnInput>>, options?: LazyFrameOptions): unknown {
  return makeLazyFrame(columns, options)
}
callable.prototype = LazyFrameClass.prototype
callable.concat = concatLazy

export const LazyFrame = callable as unknown as LazyFrameFunction
export type LazyFrame<S extends SchemaTypes = SchemaTypes> = LazyFrameClass<S>
