/**
 * Constant folding of one expression, by the semantics of the engine.
 *
 * What would raise is left alone, so that the error comes from the row that reaches it, and an operand that may raise
 * is never dropped.
 */
import { isFloat, typeEquals } from '@spillway/columnar'
import { exprChildren, type LiteralValue, mapChildren, mayRaise, type TypedExpr } from '@spillway/plan'
import { foldArithmetic, foldCast, foldComparison, foldNegate, valuesAreEqual } from './fold-value.ts'

type Node<K extends TypedExpr['kind']> = Extract<TypedExpr, { kind: K }>

/** The folded expression; the same object when nothing could be folded. */
export function foldExpr(expr: TypedExpr): TypedExpr {
  const children = exprChildren(expr)
  const folded = children.map(foldExpr)
  let next = -1
  const current = folded.every((child, index) => child === children[index])
    ? expr
    : mapChildren(expr, () => {
        next += 1
        return folded[next] as TypedExpr
      })
  return foldNode(current)
}

function foldNode(expr: TypedExpr): TypedExpr {
  switch (expr.kind) {
    case 'binary':
      return foldBinary(expr)
    case 'unary':
      return foldUnary(expr)
    case 'fillNull':
      return foldFillNull(expr)
    case 'isIn':
      return foldIsIn(expr)
    case 'cast':
      return foldCastNode(expr)
    case 'when':
      return foldWhen(expr)
    default:
      return expr
  }
}

function makeLiteral(value: LiteralValue, like: TypedExpr): TypedExpr {
  return Object.freeze({ kind: 'literal', value, type: like.type, nullable: value === null })
}

const isNullLiteral = (expr: TypedExpr): boolean => expr.kind === 'literal' && expr.value === null
const isLiteral = (expr: TypedExpr, value: LiteralValue): boolean => expr.kind === 'literal' && expr.value === value

/** A literal instead of `expr`, unless an error of its operands would be lost. */
function replace(expr: TypedExpr, value: LiteralValue): TypedExpr {
  return exprChildren(expr).some(mayRaise) ? expr : makeLiteral(value, expr)
}

function foldBinary(expr: Node<'binary'>): TypedExpr {
  const { op, left, right } = expr
  if (op === 'and' || op === 'or') return foldLogical(expr)
  if (isNullLiteral(left) || isNullLiteral(right)) return replace(expr, null)
  if (left.kind !== 'literal' || right.kind !== 'literal') return expr
  const value =
    op === 'add' || op === 'sub' || op === 'mul' || op === 'div' || op === 'mod'
      ? foldArithmetic(op, left.value, right.value, expr.type)
      : foldComparison(op, left.value, right.value, left.type)
  return value === undefined ? expr : makeLiteral(value, expr)
}

/**
 * Three-valued AND and OR. `absorbing` is the value that decides alone (false for AND), `neutral` the other.
 *
 *   neutral op x → x      absorbing op x → absorbing      null op null → null
 */
function foldLogical(expr: Node<'binary'>): TypedExpr {
  const { left, right } = expr
  const absorbing = expr.op === 'or'
  // The right side is never evaluated when the left one decides, so its errors are not lost.
  if (isLiteral(left, absorbing)) return makeLiteral(absorbing, expr)
  if (isLiteral(right, absorbing)) return replace(expr, absorbing)
  if (isLiteral(left, !absorbing)) return right
  if (isLiteral(right, !absorbing)) return left
  return isNullLiteral(left) && isNullLiteral(right) ? makeLiteral(null, expr) : expr
}

function foldUnary(expr: Node<'unary'>): TypedExpr {
  const { op, operand } = expr
  if (op === 'isNull' || op === 'isNotNull') {
    if (operand.kind === 'literal') return makeLiteral((operand.value === null) === (op === 'isNull'), expr)
    return operand.nullable ? expr : replace(expr, op === 'isNotNull')
  }
  if (op === 'not' && operand.kind === 'unary' && operand.op === 'not') return operand.operand
  if (operand.kind !== 'literal') return expr
  if (operand.value === null) return makeLiteral(null, expr)
  const value = op === 'not' ? operand.value === false : foldNegate(operand.value, expr.type)
  return value === undefined ? expr : makeLiteral(value, expr)
}

function foldFillNull(expr: Node<'fillNull'>): TypedExpr {
  if (isNullLiteral(expr.operand)) return expr.fill
  return expr.operand.nullable ? expr : expr.operand
}

function foldIsIn(expr: Node<'isIn'>): TypedExpr {
  const { operand, values } = expr
  if (operand.kind !== 'literal') return expr
  if (operand.value === null) return makeLiteral(null, expr)
  return makeLiteral(
    values.some((value) => valuesAreEqual(operand.value, value, operand.type)),
    expr,
  )
}

function foldCastNode(expr: Node<'cast'>): TypedExpr {
  const { operand, type } = expr
  if (typeEquals(operand.type, type)) return operand
  if (operand.kind !== 'literal') return expr
  if (operand.value === null) return makeLiteral(null, expr)
  const value = foldCast(operand.value, operand.type, type)
  return value === undefined ? expr : makeLiteral(value, expr)
}

/** Drops branches that are never taken and cuts after one that always is. */
function foldWhen(expr: Node<'when'>): TypedExpr {
  const branches: { when: TypedExpr; then: TypedExpr }[] = []
  let { otherwise } = expr
  for (const branch of expr.branches) {
    if (isLiteral(branch.when, false) || isNullLiteral(branch.when)) continue
    if (isLiteral(branch.when, true)) {
      otherwise = branch.then
      break
    }
    branches.push(branch)
  }
  if (branches.length === expr.branches.length) return expr
  if (branches.length === 0) return otherwise
  const { type, nullable } = expr
  return Object.freeze({ kind: 'when', branches: Object.freeze(branches), otherwise, type, nullable })
}

/** True when a float's sign of zero can be seen in the result: then -0 and 0 of a group key must not be told apart. */
export function seesSignOfZero(expr: TypedExpr): boolean {
  if (expr.kind === 'binary' && expr.op === 'div') return true
  if (expr.kind === 'cast' && isFloat(expr.operand.type) && expr.type.kind === 'utf8') return true
  return exprChildren(expr).some(seesSignOfZero)
}
