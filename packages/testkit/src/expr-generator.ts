/**
 * Random expressions that never raise, each in two forms: a Spillway expression and its SQL twin with every conversion
 * spelled out, so that DuckDB's own coercion rules play no part. The rules are those of docs/semantics.md.
 */
import type { DataType } from '@spillway/columnar'
import { isFloat, isInteger, isNumeric, typeEquals } from '@spillway/columnar'
import { col, type Expr, lit, when } from 'spillway'
import { decimalCell } from './cells.ts'
import type { Choices } from './choices.ts'
import { quoteName } from './duckdb-oracle.ts'
import { duckdbLiteral, duckdbTypeName, type RawCell } from './generated-table.ts'

export interface QueryColumn {
  readonly name: string
  readonly type: DataType
}

/** The same value in both languages. */
export interface ExprPair {
  readonly expr: Expr<string, unknown>
  readonly sql: string
  readonly type: DataType
}

const INT64: DataType = { kind: 'int64' }
const FLOAT64: DataType = { kind: 'float64' }
const BOOLEAN: DataType = { kind: 'boolean' }

export function columnPair(column: QueryColumn): ExprPair {
  return { expr: col(column.name), sql: quoteName(column.name), type: column.type }
}

/** Raw values that generated tables contain often, so that comparisons select some rows. */
function commonValues(type: DataType): readonly RawCell[] {
  if (isInteger(type)) return [1n, 0n, 3n, 100n]
  if (isFloat(type)) return [0.5, 0, 1, -1.25, Number.NaN, Number.POSITIVE_INFINITY]
  switch (type.kind) {
    case 'boolean':
      return [true, false]
    case 'utf8':
      return ['a', '', 'id007', 'twelve bytes', 'thirteen byte', "it's ä€漢"]
    case 'date':
      return [1n, 0n, -1n, 19_000n]
    case 'timestamp':
      return [86_400_000_000n, 0n, -1n]
    case 'decimal':
      return [1n, 0n, 3n, -2n]
    default:
      return [null]
  }
}

/** A typed literal in both languages. */
export function literalPair(value: RawCell, type: DataType): ExprPair {
  const sql = duckdbLiteral(value, type)
  if (value === null) return { expr: lit(null, type), sql, type }
  if (type.kind === 'decimal') return { expr: lit(decimalCell(value as bigint, type.scale), type), sql, type }
  if (type.kind === 'date') return { expr: lit(Number(value), type), sql, type }
  return { expr: lit(value, type), sql, type }
}

export function randomLiteral(choices: Choices, type: DataType): ExprPair {
  return literalPair(choices.oneOf(commonValues(type)), type)
}

function castPair(operand: ExprPair, type: DataType): ExprPair {
  if (typeEquals(operand.type, type)) return operand
  return { expr: operand.expr.cast(type), sql: `CAST(${operand.sql} AS ${duckdbTypeName(type)})`, type }
}

const comparisons = [
  ['lt', '<'],
  ['eq', '='],
  ['neq', '<>'],
  ['ltEq', '<='],
  ['gt', '>'],
  ['gtEq', '>='],
] as const

function comparePair(choices: Choices, left: ExprPair, right: ExprPair): ExprPair {
  const [method, symbol] = choices.oneOf(comparisons)
  return { expr: left.expr[method](right.expr), sql: `(${left.sql} ${symbol} ${right.sql})`, type: BOOLEAN }
}

/** A three-valued condition over `columns`. @param depth how deep and/or/not may nest */
export function randomCondition(choices: Choices, columns: readonly QueryColumn[], depth = 2): ExprPair {
  const operand = columnPair(choices.oneOf(columns))
  switch (choices.below(depth > 0 ? 8 : 5)) {
    case 0:
      return { expr: operand.expr.isNotNull(), sql: `(${operand.sql} IS NOT NULL)`, type: BOOLEAN }
    case 1:
      return comparePair(choices, operand, randomLiteral(choices, operand.type))
    case 2: {
      const partners = columns.filter((column) => typeEquals(column.type, operand.type))
      return comparePair(choices, operand, columnPair(choices.oneOf(partners)))
    }
    case 3: {
      const values = commonValues(operand.type).filter((_, index) => index < 1 + choices.below(3))
      const list = values.map((value) => duckdbLiteral(value, operand.type)).join(', ')
      return isInPair(operand, values, list)
    }
    case 4: {
      const low = randomLiteral(choices, operand.type)
      const high = randomLiteral(choices, operand.type)
      const sql = `(${operand.sql} BETWEEN ${low.sql} AND ${high.sql})`
      return { expr: operand.expr.between(low.expr, high.expr), sql, type: BOOLEAN }
    }
    case 5: {
      const inner = randomCondition(choices, columns, depth - 1)
      return { expr: inner.expr.not(), sql: `(NOT ${inner.sql})`, type: BOOLEAN }
    }
    default: {
      const left = randomCondition(choices, columns, depth - 1)
      const right = randomCondition(choices, columns, depth - 1)
      if (choices.below(2) === 0) {
        return { expr: left.expr.and(right.expr), sql: `(${left.sql} AND ${right.sql})`, type: BOOLEAN }
      }
      return { expr: left.expr.or(right.expr), sql: `(${left.sql} OR ${right.sql})`, type: BOOLEAN }
    }
  }
}

/** isIn takes plain values: those of decimals, dates and timestamps are compared one by one instead. */
function isInPair(operand: ExprPair, values: readonly RawCell[], list: string): ExprPair {
  const { kind } = operand.type
  if (kind === 'decimal' || kind === 'date' || kind === 'timestamp') {
    const [first = null] = values
    const literal = literalPair(first, operand.type)
    return { expr: operand.expr.eq(literal.expr), sql: `(${operand.sql} = ${literal.sql})`, type: BOOLEAN }
  }
  return { expr: operand.expr.isIn([...values]), sql: `(${operand.sql} IN (${list}))`, type: BOOLEAN }
}

/** Integers whose sums, differences and products fit into 64 bits. */
const isNarrowInteger = (type: DataType): boolean => ['int8', 'int16', 'int32', 'uint8', 'uint16'].includes(type.kind)

/** Decimals that cannot overflow 38 digits when they are added. */
const isNarrowDecimal = (type: DataType): boolean => type.kind === 'decimal' && type.precision <= 15

function arithmeticPair(choices: Choices, columns: readonly QueryColumn[]): ExprPair | undefined {
  const candidates = columns.filter(({ type }) => isNarrowInteger(type) || isFloat(type) || isNarrowDecimal(type))
  if (candidates.length === 0) return undefined
  const first = choices.oneOf(candidates)
  const family = (type: DataType) => (isNarrowInteger(type) ? 'integer' : isFloat(type) ? 'float' : 'decimal')
  const second = choices.oneOf(candidates.filter(({ type }) => family(type) === family(first.type)))
  let left = columnPair(first)
  let right = columnPair(second)
  if (first.type.kind === 'decimal' && second.type.kind === 'decimal') {
    const wide: DataType = { kind: 'decimal', precision: 38, scale: Math.max(first.type.scale, second.type.scale) }
    const [method, symbol] = choices.oneOf([['add', '+'] as const, ['sub', '-'] as const])
    const sqlOf = (pair: ExprPair) => `CAST(${pair.sql} AS ${duckdbTypeName(wide)})`
    // The casts are in the SQL only: Spillway widens by itself, which is what this tests.
    return { expr: left.expr[method](right.expr), sql: `(${sqlOf(left)} ${symbol} ${sqlOf(right)})`, type: wide }
  }
  const wide = isFloat(first.type) ? FLOAT64 : INT64
  left = castPair(left, wide)
  right = castPair(right, wide)
  const operations: readonly (readonly ['add' | 'sub' | 'mul' | 'div' | 'mod', string])[] = [
    ['add', '+'],
    ['sub', '-'],
    ['mul', '*'],
    wide.kind === 'float64' ? ['div', '/'] : ['mod', '%'],
  ]
  const [method, symbol] = choices.oneOf(operations)
  return { expr: left.expr[method](right.expr), sql: `(${left.sql} ${symbol} ${right.sql})`, type: wide }
}

/** A conversion that always succeeds. */
function conversionPair(choices: Choices, operand: ExprPair): ExprPair {
  const { type } = operand
  if (type.kind === 'boolean') return castPair(operand, { kind: 'int32' })
  if (type.kind === 'date') return castPair(operand, { kind: 'timestamp', unit: 'us', timezone: undefined })
  if (isInteger(type)) {
    if (choices.below(2) === 0) return castPair(operand, FLOAT64)
    const narrow: DataType = { kind: 'int16' }
    return {
      expr: operand.expr.cast(narrow, { strict: false }),
      sql: `TRY_CAST(${operand.sql} AS SMALLINT)`,
      type: narrow,
    }
  }
  if (type.kind === 'float32') return castPair(operand, FLOAT64)
  return operand
}

/** A value of any type over `columns`; never one that can raise. */
export function randomValue(choices: Choices, columns: readonly QueryColumn[]): ExprPair {
  const operand = columnPair(choices.oneOf(columns))
  switch (choices.below(6)) {
    case 0:
      return operand
    case 1:
      return arithmeticPair(choices, columns) ?? operand
    case 2: {
      const fill = randomLiteral(choices, operand.type)
      return {
        expr: operand.expr.fillNull(fill.expr),
        sql: `COALESCE(${operand.sql}, ${fill.sql})`,
        type: operand.type,
      }
    }
    case 3: {
      const condition = randomCondition(choices, columns, 1)
      const partners = columns.filter((column) => typeEquals(column.type, operand.type))
      const other = choices.below(2) === 0 ? columnPair(choices.oneOf(partners)) : randomLiteral(choices, operand.type)
      return {
        expr: when(condition.expr).then(operand.expr).otherwise(other.expr),
        sql: `(CASE WHEN ${condition.sql} THEN ${operand.sql} ELSE ${other.sql} END)`,
        type: operand.type,
      }
    }
    case 4:
      return conversionPair(choices, operand)
    default:
      return randomCondition(choices, columns, 1)
  }
}

export const isSummable = (type: DataType): boolean =>
  type.kind === 'boolean' || isNarrowInteger(type) || type.kind === 'uint32' || isFloat(type) || isNarrowDecimal(type)

/** Wide decimals are left out: their sums pass 38 digits, which is an error in both engines. */
export const isAveragable = (type: DataType): boolean =>
  isNumeric(type) && (type.kind !== 'decimal' || isNarrowDecimal(type))
