/**
 * From what the user wrote to what the engine runs: every node gets its type, every conversion becomes a cast.
 *
 *   col("a") + 1        a int64   →   col("a") + 1 (literal int64)
 *   col("a") < 5.5      a int32   →   col("a").cast(float64) < 5.5
 *
 * Untyped numeric literals adapt to the other operand when their value fits its type exactly. Everything that is
 * wrong with a query's types is found here, when the plan is built.
 */
import {
  type DataType,
  findFieldIndex,
  isFloat,
  isNumeric,
  type Schema,
  typeEquals,
  typeName,
} from '@spillway/columnar'
import { makeError, type SpillwayError, unreachable } from '@spillway/stdx'
import { checkCast, coerce, negatable } from './coerce.ts'
import type { BinaryOp, ExprNode, LiteralValue, TypedExpr } from './expr-node.ts'
import { exprText } from './expr-text.ts'
import { findDecimalLiteral, fitLiteral, literalOwnType } from './literal-value.ts'
import { castMayFail } from './may-raise.ts'
import { columnNotFound } from './nearest-name.ts'
import { decimalOf, findComparableType, findSupertype, MAX_DECIMAL_PRECISION } from './supertype.ts'

const BOOLEAN: DataType = Object.freeze({ kind: 'boolean' })
const FLOAT64: DataType = Object.freeze({ kind: 'float64' })
const DAY_MS = 86_400_000n

/** An operand with what it was written as: an untyped literal may still take another type. */
interface Operand {
  readonly node: ExprNode
  readonly typed: TypedExpr
}

/**
 * Types an expression against a schema.
 * @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, or INVALID_PLAN for an aggregate (they are split off before).
 */
export function typeExpr(node: ExprNode, schema: Schema): TypedExpr {
  switch (node.kind) {
    case 'column': {
      const field = schema.fields[findFieldIndex(schema, node.name)]
      if (field === undefined) throw columnNotFound(node.name, schema)
      return Object.freeze({ kind: 'column', name: node.name, type: field.type, nullable: field.nullable })
    }
    case 'literal':
      return typeLiteral(node)
    case 'binary':
      return typeBinary(node, schema)
    case 'unary':
      return typeUnary(node, schema)
    case 'fillNull':
      return typeFillNull(node, schema)
    case 'isIn':
      return typeIsIn(node, schema)
    case 'cast': {
      const operand = typeExpr(node.operand, schema)
      checkCast(operand.type, node.type, node)
      if (operand.type.kind === 'null' || typeEquals(operand.type, node.type)) return coerce(operand, node.type)
      const nullable = operand.nullable || (!node.strict && castMayFail(operand.type, node.type))
      return Object.freeze({ kind: 'cast', operand, type: node.type, strict: node.strict, nullable })
    }
    case 'when':
      return typeWhen(node, schema)
    case 'alias':
      return typeExpr(node.operand, schema)
    case 'aggregate':
      throw makeError(
        'INVALID_PLAN',
        `Aggregate in a wrong place: ${exprText(node)}. Aggregates belong into agg() or select(), not into each other.`,
        { expression: exprText(node) },
      )
    default:
      return unreachable(node)
  }
}

function typeLiteral(node: Extract<ExprNode, { kind: 'literal' }>): TypedExpr {
  const type = node.type ?? literalOwnType(node.value)
  const value = node.type === undefined ? (fitLiteral(node.value, type) ?? null) : node.value
  return makeTypedLiteral(value, type)
}

function makeTypedLiteral(value: LiteralValue, type: DataType): TypedExpr {
  return Object.freeze({ kind: 'literal', value, type, nullable: value === null })
}

function typeOperand(node: ExprNode, schema: Schema): Operand {
  let inner = node
  while (inner.kind === 'alias') inner = inner.operand
  return { node: inner, typed: typeExpr(inner, schema) }
}

/** The value of a number or bigint literal without a type; undefined for everything else. */
function findAdaptiveValue({ node }: Operand): number | bigint | undefined {
  if (node.kind !== 'literal' || node.type !== undefined) return undefined
  return typeof node.value === 'number' || typeof node.value === 'bigint' ? node.value : undefined
}

function mismatch(node: ExprNode, types: readonly DataType[], advice: string): SpillwayError {
  const text = exprText(node)
  const names = types.map(typeName).join(' and ')
  return makeError('TYPE_MISMATCH', `Types do not match in ${text}: ${names}. ${advice}`, { expression: text })
}

/** The common type of operands: expressions decide first, then untyped literals adapt to them or widen them. */
function commonType(operands: readonly Operand[], node: ExprNode, findCommon = findSupertype): DataType {
  const fixed = operands.filter((operand) => findAdaptiveValue(operand) === undefined)
  let common: DataType = { kind: 'null' }
  for (const { typed } of fixed) {
    const wider = findCommon(common, typed.type)
    if (wider === undefined) throw mismatch(node, [common, typed.type], 'Cast one side with .cast().')
    common = wider
  }
  // Among themselves literals have nothing to adapt to: `lit(1).add(2n)` is an int64.
  const adapts = common.kind !== 'null'
  for (const operand of operands) {
    const value = findAdaptiveValue(operand)
    if (value === undefined || (adapts && isNumeric(common) && fitLiteral(value, common) !== undefined)) continue
    const own = operand.typed.type
    const wider = findCommon(common, own)
    if (wider === undefined) throw mismatch(node, [common, own], 'Cast one side with .cast().')
    common = wider
  }
  return common
}

/** An operand in the common type: an untyped literal takes it exactly when it can, all else is cast. */
function convert(operand: Operand, type: DataType): TypedExpr {
  const value = findAdaptiveValue(operand)
  const fitted = value === undefined || !isNumeric(type) ? undefined : fitLiteral(value, type)
  return fitted === undefined ? coerce(operand.typed, type) : makeTypedLiteral(fitted, type)
}

type BinaryNode = Extract<ExprNode, { kind: 'binary' }>

function typeBinary(node: BinaryNode, schema: Schema): TypedExpr {
  const left = typeOperand(node.left, schema)
  const right = typeOperand(node.right, schema)
  switch (node.op) {
    case 'and':
    case 'or': {
      requireBoolean(left.typed, node)
      requireBoolean(right.typed, node)
      return makeBinary(node.op, coerce(left.typed, BOOLEAN), coerce(right.typed, BOOLEAN), BOOLEAN)
    }
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
      return typeComparison(node, left, right)
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'mod':
      return typeArithmetic(node, left, right)
    default:
      return unreachable(node.op)
  }
}

function makeBinary(op: BinaryOp, left: TypedExpr, right: TypedExpr, type: DataType): TypedExpr {
  // The remainder by zero is null for integers and decimals; a literal divisor that is not zero cannot give it.
  const isZeroFree = right.kind === 'literal' && right.value !== 0 && right.value !== 0n
  const makesNull = op === 'mod' && !isFloat(type) && !isZeroFree
  const nullable = left.nullable || right.nullable || makesNull
  return Object.freeze({ kind: 'binary', op, left, right, type, nullable })
}

function requireBoolean(expr: TypedExpr, node: ExprNode): void {
  if (expr.type.kind === 'boolean' || expr.type.kind === 'null') return
  throw mismatch(node, [expr.type, BOOLEAN], 'Conditions must be boolean: compare with a value.')
}

function typeComparison(node: BinaryNode, left: Operand, right: Operand): TypedExpr {
  const common = commonType([left, right], node, findComparableType)
  if (common.kind === 'null') return makeTypedLiteral(null, BOOLEAN)
  const leftDate = findMidnight(left.typed, right.typed)
  if (leftDate !== undefined) return makeBinary(node.op, leftDate, right.typed, BOOLEAN)
  const rightDate = findMidnight(right.typed, left.typed)
  if (rightDate !== undefined) return makeBinary(node.op, left.typed, rightDate, BOOLEAN)
  return makeBinary(node.op, convert(left, common), convert(right, common), BOOLEAN)
}

/** A literal timestamp at midnight beside a date is that date: the column then needs no cast and scans can prune. */
function findMidnight(literal: TypedExpr, other: TypedExpr): TypedExpr | undefined {
  if (literal.kind !== 'literal' || literal.type.kind !== 'timestamp' || other.type.kind !== 'date') return undefined
  if (literal.value === null || literal.type.unit !== 'ms') return undefined
  const ms = BigInt(literal.value)
  return ms % DAY_MS === 0n ? makeTypedLiteral(Number(ms / DAY_MS), other.type) : undefined
}

function typeArithmetic(node: BinaryNode, left: Operand, right: Operand): TypedExpr {
  const common = commonType([left, right], node)
  if (common.kind === 'null') return makeTypedLiteral(null, common)
  if (!isNumeric(common)) {
    throw mismatch(node, [left.typed.type, right.typed.type], 'Arithmetic needs numbers; cast with .cast().')
  }
  if (node.op === 'div') {
    const type: DataType = common.kind === 'float32' ? common : FLOAT64
    return makeBinary('div', convert(left, type), convert(right, type), type)
  }
  if (common.kind !== 'decimal') return makeBinary(node.op, convert(left, common), convert(right, common), common)
  if (node.op === 'mul') return typeDecimalProduct(node, left, right)
  const type: DataType = { kind: 'decimal', precision: MAX_DECIMAL_PRECISION, scale: common.scale }
  return makeBinary(node.op, convert(left, type), convert(right, type), type)
}

/** The operands keep their scales, which add up; a literal takes the smallest scale that holds it. */
function typeDecimalProduct(node: BinaryNode, left: Operand, right: Operand): TypedExpr {
  const factors = [left, right].map((operand): TypedExpr => {
    const value = findAdaptiveValue(operand)
    const literal = value === undefined ? undefined : findDecimalLiteral(value)
    if (literal !== undefined) {
      return makeTypedLiteral(literal.scaled, { kind: 'decimal', precision: literal.precision, scale: literal.scale })
    }
    if (operand.typed.type.kind === 'null') return coerce(operand.typed, { kind: 'decimal', precision: 1, scale: 0 })
    return coerce(operand.typed, decimalOf(operand.typed.type))
  })
  const [first, second] = factors
  if (first?.type.kind !== 'decimal' || second?.type.kind !== 'decimal') {
    throw mismatch(node, [left.typed.type, right.typed.type], 'Cast one side with .cast().')
  }
  const scale = first.type.scale + second.type.scale
  if (scale > MAX_DECIMAL_PRECISION) {
    throw mismatch(
      node,
      [first.type, second.type],
      `The product needs scale ${scale}, at most 38: cast to lower scales.`,
    )
  }
  return makeBinary('mul', first, second, { kind: 'decimal', precision: MAX_DECIMAL_PRECISION, scale })
}

function typeUnary(node: Extract<ExprNode, { kind: 'unary' }>, schema: Schema): TypedExpr {
  const operand = typeExpr(node.operand, schema)
  switch (node.op) {
    case 'isNull':
    case 'isNotNull':
      return Object.freeze({ kind: 'unary', op: node.op, operand, type: BOOLEAN, nullable: false })
    case 'not': {
      requireBoolean(operand, node)
      const { nullable } = operand
      return Object.freeze({ kind: 'unary', op: 'not', operand: coerce(operand, BOOLEAN), type: BOOLEAN, nullable })
    }
    case 'negate': {
      if (operand.type.kind === 'null') return operand
      if (!isNumeric(operand.type)) throw mismatch(node, [operand.type], 'Only numbers can be negated.')
      const type = negatable(operand.type)
      const { nullable } = operand
      return Object.freeze({ kind: 'unary', op: 'negate', operand: coerce(operand, type), type, nullable })
    }
    default:
      return unreachable(node.op)
  }
}

function typeFillNull(node: Extract<ExprNode, { kind: 'fillNull' }>, schema: Schema): TypedExpr {
  const operands = [typeOperand(node.operand, schema), typeOperand(node.fill, schema)] as const
  const type = commonType(operands, node)
  if (type.kind === 'null') return makeTypedLiteral(null, type)
  const operand = convert(operands[0], type)
  const fill = convert(operands[1], type)
  return Object.freeze({ kind: 'fillNull', operand, fill, type, nullable: operand.nullable && fill.nullable })
}

function typeWhen(node: Extract<ExprNode, { kind: 'when' }>, schema: Schema): TypedExpr {
  const conditions = node.branches.map((branch) => {
    const condition = typeExpr(branch.when, schema)
    requireBoolean(condition, branch.when)
    return coerce(condition, BOOLEAN)
  })
  const values = [...node.branches.map((branch) => branch.then), node.otherwise].map((value) =>
    typeOperand(value, schema),
  )
  const type = commonType(values, node)
  if (type.kind === 'null') return makeTypedLiteral(null, type)
  const converted = values.map((value) => convert(value, type))
  const otherwise = converted.at(-1)
  if (otherwise === undefined) throw makeError('INVARIANT', 'Invariant broken: a when has an otherwise')
  const branches = conditions.map((when, index) => {
    // One value per condition, and `otherwise` behind them.
    const then = converted[index] ?? otherwise
    return Object.freeze({ when, then })
  })
  const nullable = converted.some((value) => value.nullable)
  return Object.freeze({ kind: 'when', branches: Object.freeze(branches), otherwise, type, nullable })
}

function typeIsIn(node: Extract<ExprNode, { kind: 'isIn' }>, schema: Schema): TypedExpr {
  const operand = typeOperand(node.operand, schema)
  const literals = node.values.map((value): Operand => {
    const literal: ExprNode = { kind: 'literal', value, type: node.valueType }
    return { node: literal, typed: typeLiteral(literal) }
  })
  const present = literals.filter((literal) => literal.typed.type.kind !== 'null')
  const type = commonType([operand, ...present], node, findComparableType)
  if (type.kind === 'null') return makeTypedLiteral(null, BOOLEAN)
  const values = new Set<LiteralValue>()
  for (const literal of present) {
    const converted = convert(literal, type)
    if (converted.kind !== 'literal') throw mismatch(node, [literal.typed.type, type], 'Give values of one type.')
    // -0 equals 0, so one of them is enough.
    if (converted.value !== null) values.add(Object.is(converted.value, -0) ? 0 : converted.value)
  }
  return Object.freeze({
    kind: 'isIn',
    operand: convert(operand, type),
    values: Object.freeze([...values]),
    type: BOOLEAN,
    nullable: operand.typed.nullable,
  })
}
