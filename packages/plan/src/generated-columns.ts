/** Column descriptions for frames that are computed rather than stored: `intRange` and `repeat`. */
import { type DataType, isInteger, typeName } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import type { GeneratedColumn } from './logical-node.ts'
import { fitTypedLiteral, literalOwnType, makeLiteral, type LiteralInput } from './literal-value.ts'
import type { Int64Type } from './type-level.ts'

/** A column without a name yet, and how many rows it has. `DataTypeOf` is its static type. */
export class GeneratedSpec<out D extends DataType = DataType> {
  readonly rowCount: number
  readonly type: D
  private readonly make: (name: string) => GeneratedColumn

  constructor(rowCount: number, type: D, make: (name: string) => GeneratedColumn) {
    this.rowCount = rowCount
    this.type = type
    this.make = make
  }

  named(name: string): GeneratedColumn {
    return Object.freeze(this.make(name))
  }
}

/**
 * Whole numbers from `start` to `end` (not included) by `step`: `intRange(0, 10)`.
 * @throws PlanError INVALID_OPTION for a zero step, fractions, or bounds that the type cannot hold.
 */
export function intRange(start: number | bigint, end: number | bigint, step?: number | bigint): GeneratedSpec<Int64Type>
export function intRange<const D extends DataType>(
  start: number | bigint,
  end: number | bigint,
  step: number | bigint,
  type: D,
): GeneratedSpec<D>
export function intRange(
  start: number | bigint,
  end: number | bigint,
  step: number | bigint = 1,
  type: DataType = { kind: 'int64' },
): GeneratedSpec {
  for (const value of [start, end, step]) {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw makeError('INVALID_OPTION', `intRange needs whole numbers: got ${value}. Use a bigint above 2^53.`)
    }
  }
  if (BigInt(step) === 0n) throw makeError('INVALID_OPTION', 'intRange needs a step other than 0.')
  if (!isInteger(type)) throw makeError('INVALID_OPTION', `intRange needs an integer type: got ${typeName(type)}.`)
  const from = BigInt(start)
  const by = BigInt(step)
  const span = by > 0n ? BigInt(end) - from : from - BigInt(end)
  const size = by > 0n ? by : -by
  const rowCount = span <= 0n ? 0 : Number((span + size - 1n) / size)
  if (rowCount > 0) {
    const last = from + by * BigInt(rowCount - 1)
    for (const bound of [from, last]) {
      if (fitTypedLiteral(bound, type) === undefined) {
        throw makeError('INVALID_OPTION', `intRange does not fit ${typeName(type)}: ${bound}. Use a wider type.`)
      }
    }
  }
  return new GeneratedSpec(rowCount, type, (name) => ({ kind: 'intRange', name, start: from, step: by, type }))
}

type RepeatType<V> = V extends boolean
  ? { readonly kind: 'boolean' }
  : V extends string
    ? { readonly kind: 'utf8' }
    : V extends bigint
      ? Int64Type
      : DataType

/**
 * One value, `rowCount` times: `repeat("x".repeat(64), 1_000_000)`.
 * @throws PlanError INVALID_OPTION for a bad count, TYPE_MISMATCH when the value does not fit the type.
 */
export function repeat<V extends LiteralInput>(value: V, rowCount: number): GeneratedSpec<RepeatType<V>>
export function repeat<const D extends DataType>(value: LiteralInput, rowCount: number, type: D): GeneratedSpec<D>
export function repeat(value: LiteralInput, rowCount: number, type?: DataType): GeneratedSpec {
  if (!Number.isSafeInteger(rowCount) || rowCount < 0) {
    throw makeError('INVALID_OPTION', `repeat needs a whole number of rows from 0: got ${rowCount}.`)
  }
  const literal = makeLiteral(value, type)
  const known = literal.type ?? literalOwnType(literal.value)
  const fitted = literal.type === undefined ? (fitTypedLiteral(literal.value, known) ?? null) : literal.value
  return new GeneratedSpec(rowCount, known, (name) => ({ kind: 'repeat', name, value: fitted, type: known }))
}
