/**
 * Prints expressions as a reader would write them: `(col("a") + 1) < col("b")`. Works on both forms.
 *
 * The text is for plans, errors and `toString()`; it is not parsed back.
 */
import { type DataType, typeName } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import type { BinaryOp, ExprNode, LiteralValue, NamedAggregate, NamedExpr, TypedExpr } from './expr-node.ts'
import { decimalText, timestampText, dateText } from './literal-text.ts'

const operatorText = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
  eq: '==',
  ne: '!=',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
  and: '&',
  or: '|',
} as const satisfies Record<BinaryOp, string>

/** How tightly an operator binds; an operand that binds less tightly gets parentheses. */
const precedence = {
  or: 1,
  and: 2,
  eq: 3,
  ne: 3,
  lt: 3,
  le: 3,
  gt: 3,
  ge: 3,
  add: 4,
  sub: 4,
  mul: 5,
  div: 5,
  mod: 5,
} as const satisfies Record<BinaryOp, number>

const TEXT_MAX = 60

/** One literal as text; long strings are cut. `type` decides how a scaled integer reads. */
export function literalText(value: LiteralValue, type: DataType | undefined): string {
  if (value === null) return 'null'
  if (type !== undefined && typeof value !== 'string' && typeof value !== 'boolean') {
    if (type.kind === 'decimal') return decimalText(BigInt(value), type.scale)
    if (type.kind === 'date') return `date("${dateText(Number(value))}")`
    if (type.kind === 'timestamp') return `timestamp("${timestampText(BigInt(value), type.unit)}")`
  }
  if (typeof value !== 'string') return Object.is(value, -0) ? '-0' : String(value)
  if (type?.kind === 'binary') return bytesText(value)
  return JSON.stringify(value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value)
}

/** `bytes("61ff")`, of text with one character for each byte. */
function bytesText(value: string): string {
  const digits = Buffer.from(value, 'latin1').toString('hex')
  return `bytes("${digits.length > TEXT_MAX ? `${digits.slice(0, TEXT_MAX)}…` : digits}")`
}

/** The text of an expression, typed or not. */
export function exprText(expr: ExprNode | TypedExpr): string {
  switch (expr.kind) {
    case 'column':
      return `col(${JSON.stringify(expr.name)})`
    case 'literal':
      return literalText(expr.value, expr.type)
    case 'binary':
      return binaryText(expr)
    case 'unary':
      return expr.op === 'negate' ? `-${operandText(expr.operand)}` : `${operandText(expr.operand)}.${expr.op}()`
    case 'fillNull':
      return `${operandText(expr.operand)}.fillNull(${exprText(expr.fill)})`
    case 'isIn':
      return `${operandText(expr.operand)}.isIn([${isInText(expr)}])`
    case 'cast':
      return `${operandText(expr.operand)}.cast(${typeName(expr.type)}${expr.strict ? '' : ', lenient'})`
    case 'when': {
      const branches = expr.branches.map((branch) => `when(${exprText(branch.when)}).then(${exprText(branch.then)})`)
      return `${branches.join('.')}.otherwise(${exprText(expr.otherwise)})`
    }
    case 'alias':
      return `${operandText(expr.operand)}.alias(${JSON.stringify(expr.name)})`
    case 'aggregate':
      return expr.operand === undefined ? `${expr.function}()` : `${operandText(expr.operand)}.${expr.function}()`
    default:
      return unreachable(expr)
  }
}

type Binary = Extract<ExprNode | TypedExpr, { kind: 'binary' }>

function binaryText(expr: Binary): string {
  const own = precedence[expr.op]
  const side = (operand: ExprNode | TypedExpr, isRight: boolean): string => {
    if (operand.kind !== 'binary') return exprText(operand)
    const inner = precedence[operand.op]
    // Comparisons do not chain, and the right operand of an equal operator was written in parentheses.
    const needs = inner < own || (inner === own && (isRight || own === precedence.eq))
    return needs ? `(${exprText(operand)})` : exprText(operand)
  }
  return `${side(expr.left, false)} ${operatorText[expr.op]} ${side(expr.right, true)}`
}

function operandText(expr: ExprNode | TypedExpr): string {
  const text = exprText(expr)
  const isCompound = expr.kind === 'binary' || (expr.kind === 'unary' && expr.op === 'negate')
  if (expr.kind === 'literal') return `lit(${text})`
  return isCompound ? `(${text})` : text
}

const VALUES_SHOWN_MAX = 8

function isInText(expr: Extract<ExprNode | TypedExpr, { kind: 'isIn' }>): string {
  const typed = expr as { readonly valueType?: DataType | undefined; readonly operand: { readonly type?: DataType } }
  const type = typed.valueType ?? typed.operand.type
  const shown = expr.values.slice(0, VALUES_SHOWN_MAX).map((value) => literalText(value, type))
  const hidden = expr.values.length - shown.length
  return hidden > 0 ? `${shown.join(', ')}, +${hidden} more` : shown.join(', ')
}

/** `col("a")`, or with another name `(col("a") + 1).alias("b")`. */
export function namedExprText({ name, expr }: NamedExpr): string {
  if (expr.kind === 'column' && expr.name === name) return exprText(expr)
  return `${operandText(expr)}.alias(${JSON.stringify(name)})`
}

/** `col("a").sum().alias("total")`; the alias is left out when it is the operand's own name. */
export function namedAggregateText(aggregate: NamedAggregate): string {
  const { name, operand } = aggregate
  const text = operand === undefined ? `${aggregate.function}()` : `${operandText(operand)}.${aggregate.function}()`
  const ownName = operand === undefined ? 'len' : operand.kind === 'column' ? operand.name : undefined
  return ownName === name ? text : `${text}.alias(${JSON.stringify(name)})`
}
