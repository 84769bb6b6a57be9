/**
 * Conversions: the implicit ones that typing inserts (folded when the operand is a literal), and which explicit casts
 * exist at all.
 */
import {
  type DataType,
  isNumeric,
  isSignedInteger,
  isUnsignedInteger,
  type TimeUnit,
  typeEquals,
  typeName,
} from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import type { ExprNode, LiteralValue, TypedExpr } from './expr-node.ts'
import { exprText } from './expr-text.ts'
import { unitsPerSecond } from './literal-text.ts'
import { fitLiteral } from './literal-value.ts'
import { findSupertype } from './supertype.ts'

/** The expression in `type`: itself, a literal of that type, or a strict cast. */
export function coerce(expr: TypedExpr, type: DataType): TypedExpr {
  if (typeEquals(expr.type, type)) return expr
  if (expr.kind === 'literal') {
    const value = findConverted(expr.value, expr.type, type)
    if (value !== undefined) return Object.freeze({ kind: 'literal', value, type, nullable: value === null })
  }
  // A null-typed expression holds nothing but nulls, whatever it computes.
  if (expr.type.kind === 'null') return Object.freeze({ kind: 'literal', value: null, type, nullable: true })
  return Object.freeze({ kind: 'cast', operand: expr, type, strict: true, nullable: expr.nullable })
}

/** The value of a literal in a wider type, or undefined to leave the conversion to a cast at run time. */
function findConverted(value: LiteralValue, from: DataType, to: DataType): LiteralValue | undefined {
  if (value === null) return null
  if (typeof value === 'string' || typeof value === 'boolean') return undefined
  if (from.kind === 'decimal') {
    if (to.kind !== 'decimal' || to.scale < from.scale) return undefined
    const scaled = BigInt(value) * 10n ** BigInt(to.scale - from.scale)
    const limit = 10n ** BigInt(to.precision)
    return scaled > -limit && scaled < limit ? scaled : undefined
  }
  if (to.kind === 'timestamp') return findConvertedTime(value, from, to.unit)
  if (!isNumeric(from) || !isNumeric(to)) return undefined
  // Integers round to the nearest float, which is what the cast does at run time.
  if (to.kind === 'float64') return Number(value)
  return fitLiteral(value, to)
}

function findConvertedTime(value: number | bigint, from: DataType, unit: TimeUnit): bigint | undefined {
  const target = unitsPerSecond[unit]
  let converted: bigint
  if (from.kind === 'date') converted = BigInt(value) * 86_400n * target
  else if (from.kind === 'timestamp' && target >= unitsPerSecond[from.unit]) {
    converted = BigInt(value) * (target / unitsPerSecond[from.unit])
  } else return undefined
  return BigInt.asIntN(64, converted) === converted ? converted : undefined
}

/** The type in which a number is negated: unsigned integers take the next signed one. */
export function negatable(type: DataType): DataType {
  return isUnsignedInteger(type) ? (findSupertype(type, { kind: 'int8' }) ?? type) : type
}

/** Whether `cast` exists between two types; single values may still not fit. */
export function isCastable(from: DataType, to: DataType): boolean {
  if (from.kind === 'null' || typeEquals(from, to)) return true
  if (to.kind === 'null') return false
  if (from.kind === 'binary' || to.kind === 'binary') return false
  if (from.kind === 'utf8' || to.kind === 'utf8') return true
  const isNumber = (type: DataType): boolean => isNumeric(type) || type.kind === 'boolean'
  if (isNumber(from) && isNumber(to)) return true
  const isTime = (type: DataType): boolean => type.kind === 'date' || type.kind === 'timestamp'
  return isTime(from) && isTime(to)
}

/** @throws PlanError TYPE_MISMATCH when there is no such cast. */
export function checkCast(from: DataType, to: DataType, node: ExprNode): void {
  if (isCastable(from, to)) return
  const text = exprText(node)
  throw makeError(
    'TYPE_MISMATCH',
    `Cannot cast ${typeName(from)} to ${typeName(to)} in ${text}. There is no such cast.`,
    { expression: text },
  )
}

/** The result type of `sum`, or undefined when values of the type cannot be added up. */
export function findSumType(type: DataType): DataType | undefined {
  if (isSignedInteger(type) || type.kind === 'boolean' || type.kind === 'null') return { kind: 'int64' }
  if (isUnsignedInteger(type)) return { kind: 'uint64' }
  if (type.kind === 'decimal') return { kind: 'decimal', precision: 38, scale: type.scale }
  return isNumeric(type) ? { kind: 'float64' } : undefined
}
