/**
 * The expression builder: a thin, immutable face over `ExprNode` data. Names follow nodejs-polars.
 *
 * Methods only make the next node; types are checked when the expression meets a frame (`typeExpr`).
 * Literals may stand for any operand; a string is a text literal, never a column name.
 */
import { type DataType, requireDataType } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import type { AggregateFunction, BinaryOp, ExprNode, UnaryOp, WhenBranch } from './expr-node.ts'
import { type Depths, EXPR_DEPTH_MAX, noteDepth } from './depth.ts'
import { operandsOf } from './expr-operands.ts'
import { exprText } from './expr-text.ts'
import { joinChain } from './logic-chain.ts'
import { type LiteralInput, makeLiteral } from './literal-value.ts'
import { refuseUnknownOptions } from './option-names.ts'
import type {
  ArithmeticTree,
  BooleanType,
  DivideTree,
  FixedTree,
  Float64Type,
  Int64Type,
  Operand,
  SumTree,
  TreeOf,
  UnifyTree,
} from './type-level.ts'

/** Which ends of `between` belong to the range. */
export type ClosedInterval = 'both' | 'left' | 'right' | 'none'

type BooleanTree = FixedTree<BooleanType>

/** The node of an operand: an expression's own, or a literal. */
export function nodeOf(operand: Operand): ExprNode {
  return operand instanceof Expr ? operand.node : makeLiteral(operand, undefined)
}

/**
 * An expression over columns: `col('price').mul(col('quantity')).sum().alias('revenue')`.
 * `Name` and `Tree` exist for the compiler only: the output name and the type (see type-level.ts).
 */
export class Expr<out Name extends string = string, out Tree = unknown> {
  readonly node: ExprNode
  /** Never set; carries `Name` for the compiler. */
  declare readonly nameType: Name
  /** Never set; carries `Tree` for the compiler. */
  declare readonly treeType: Tree

  /** @throws PlanError INVALID_PLAN when it is too deep */
  constructor(node: ExprNode) {
    noteDepth(node, exprDepths)
    this.node = node
  }

  /** Sum, same as `plus`. Integers and decimals raise OVERFLOW instead of wrapping around. */
  add<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.binary('add', other)
  }
  plus<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.add(other)
  }
  /** Difference, same as `minus`. */
  sub<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.binary('sub', other)
  }
  minus<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.sub(other)
  }
  /** Product, same as `multiplyBy`. The scales of decimals add up. */
  mul<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.binary('mul', other)
  }
  multiplyBy<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.mul(other)
  }
  /** Floating-point quotient, same as `divideBy`; 1 / 0 is infinity. */
  div<const V extends Operand>(other: V): Expr<Name, DivideTree<Tree, TreeOf<V>>> {
    return this.binary('div', other)
  }
  divideBy<const V extends Operand>(other: V): Expr<Name, DivideTree<Tree, TreeOf<V>>> {
    return this.div(other)
  }
  /** Remainder with the sign of the dividend, same as `modulo` and `rem`; an integer % 0 is null. */
  mod<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.binary('mod', other)
  }
  modulo<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.mod(other)
  }
  rem<const V extends Operand>(other: V): Expr<Name, ArithmeticTree<Tree, TreeOf<V>>> {
    return this.mod(other)
  }

  /** Equal, same as `equals`; null with anything is null; NaN equals NaN. */
  eq(other: Operand): Expr<Name, BooleanTree> {
    return this.binary('eq', other)
  }
  equals(other: Operand): Expr<Name, BooleanTree> {
    return this.eq(other)
  }
  neq(other: Operand): Expr<Name, BooleanTree> {
    return this.binary('ne', other)
  }
  notEquals(other: Operand): Expr<Name, BooleanTree> {
    return this.neq(other)
  }
  lt(other: Operand): Expr<Name, BooleanTree> {
    return this.binary('lt', other)
  }
  lessThan(other: Operand): Expr<Name, BooleanTree> {
    return this.lt(other)
  }
  ltEq(other: Operand): Expr<Name, BooleanTree> {
    return this.binary('le', other)
  }
  ltEquals(other: Operand): Expr<Name, BooleanTree> {
    return this.ltEq(other)
  }
  lessThanEquals(other: Operand): Expr<Name, BooleanTree> {
    return this.ltEq(other)
  }
  gt(other: Operand): Expr<Name, BooleanTree> {
    return this.binary('gt', other)
  }
  greaterThan(other: Operand): Expr<Name, BooleanTree> {
    return this.gt(other)
  }
  gtEq(other: Operand): Expr<Name, BooleanTree> {
    return this.binary('ge', other)
  }
  gtEquals(other: Operand): Expr<Name, BooleanTree> {
    return this.gtEq(other)
  }
  greaterThanEquals(other: Operand): Expr<Name, BooleanTree> {
    return this.gtEq(other)
  }

  /** Three-valued: false and null is false, true and null is null. */
  and(...others: readonly Operand[]): Expr<Name, BooleanTree> {
    return new Expr(others.reduce<ExprNode>((left, other) => joinChain('and', left, nodeOf(other)), this.node))
  }
  /** Three-valued: true or null is true, false or null is null. */
  or(...others: readonly Operand[]): Expr<Name, BooleanTree> {
    return new Expr(others.reduce<ExprNode>((left, other) => joinChain('or', left, nodeOf(other)), this.node))
  }
  not(): Expr<Name, BooleanTree> {
    return this.unary('not')
  }
  isNull(): Expr<Name, BooleanTree> {
    return this.unary('isNull')
  }
  isNotNull(): Expr<Name, BooleanTree> {
    return this.unary('isNotNull')
  }
  /** The value with the other sign. */
  negate(): Expr<Name, Tree> {
    const { node } = this
    // A negated literal stays a literal, so that it still adapts to the other operand.
    if (node.kind === 'literal' && node.type === undefined) {
      if (typeof node.value === 'number') return new Expr(makeLiteral(-node.value, undefined))
      if (typeof node.value === 'bigint') return new Expr(makeLiteral(-node.value, undefined))
    }
    return this.unary('negate')
  }

  /** Replaces nulls by a value or another expression. */
  fillNull<const V extends Operand>(fill: V): Expr<Name, UnifyTree<Tree, TreeOf<V>>> {
    return new Expr(Object.freeze({ kind: 'fillNull', operand: this.node, fill: nodeOf(fill) }))
  }
  /** True when the value is in the list. Nulls in the list are ignored; a null value gives null. */
  isIn(values: readonly LiteralInput[]): Expr<Name, BooleanTree> {
    const dates = values.filter((value) => value instanceof Date)
    const present = values.filter((value) => value !== null)
    if (dates.length > 0 && dates.length < present.length) {
      throw makeError('TYPE_MISMATCH', 'isIn needs values of one type: got dates and others.')
    }
    const literals = present.map((value) => makeLiteral(value, undefined))
    const valueType = literals.find((literal) => literal.type !== undefined)?.type
    return new Expr(
      Object.freeze({
        kind: 'isIn',
        operand: this.node,
        values: Object.freeze(literals.map((literal) => literal.value)),
        valueType,
      }),
    )
  }
  /** True when lower <= value <= upper; `closed` says which ends belong to the range. */
  between(lower: Operand, upper: Operand, closed: ClosedInterval = 'both'): Expr<Name, BooleanTree> {
    const low = closed === 'both' || closed === 'left' ? 'ge' : 'gt'
    const high = closed === 'both' || closed === 'right' ? 'le' : 'lt'
    const left = binaryNode(low, this.node, nodeOf(lower))
    return new Expr(binaryNode('and', left, binaryNode(high, this.node, nodeOf(upper))))
  }

  /** Converts to a type. A value that does not fit raises CAST_FAILED, or gives null with `strict: false`. */
  cast<const D extends DataType>(
    type: D,
    strict: boolean | { readonly strict?: boolean } = true,
  ): Expr<Name, FixedTree<D>> {
    requireDataType(type, 'cast')
    if (typeof strict !== 'boolean') refuseUnknownOptions(strict, ['strict'], 'cast')
    const isStrict = typeof strict === 'boolean' ? strict : (strict.strict ?? true)
    return new Expr(Object.freeze({ kind: 'cast', operand: this.node, type, strict: isStrict }))
  }
  /** Names the output, same as `as`. */
  alias<const N extends string>(name: N): Expr<N, Tree> {
    return new Expr(Object.freeze({ kind: 'alias', operand: this.node, name }))
  }
  as<const N extends string>(name: N): Expr<N, Tree> {
    return this.alias(name)
  }

  /** Sum of the non-null values; 0 when there is none. */
  sum(): Expr<Name, SumTree<Tree>> {
    return this.aggregate('sum')
  }
  /** Mean of the non-null values; null when there is none. */
  mean(): Expr<Name, FixedTree<Float64Type>> {
    return this.aggregate('mean')
  }
  min(): Expr<Name, Tree> {
    return this.aggregate('min')
  }
  /** Largest value; NaN is greater than every number. */
  max(): Expr<Name, Tree> {
    return this.aggregate('max')
  }
  /** Number of non-null values. */
  count(): Expr<Name, FixedTree<Int64Type>> {
    return this.aggregate('count')
  }
  /** Number of rows, nulls included. */
  len(): Expr<Name, FixedTree<Int64Type>> {
    return new Expr(Object.freeze({ kind: 'alias', operand: lenNode, name: outputNameOf(this.node) }))
  }
  /** The first value in row order, null or not. */
  first(): Expr<Name, Tree> {
    return this.aggregate('first')
  }
  /** The last value in row order, null or not. */
  last(): Expr<Name, Tree> {
    return this.aggregate('last')
  }
  /** Number of distinct values; null counts as one. */
  nUnique(): Expr<Name, FixedTree<Int64Type>> {
    return this.aggregate('nUnique')
  }

  toString(): string {
    return exprText(this.node)
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  private binary<T>(op: BinaryOp, other: Operand): Expr<Name, T> {
    return new Expr(binaryNode(op, this.node, nodeOf(other)))
  }
  private unary<T>(op: UnaryOp): Expr<Name, T> {
    return new Expr(Object.freeze({ kind: 'unary', op, operand: this.node }))
  }
  private aggregate<T>(aggregateFunction: AggregateFunction): Expr<Name, T> {
    return new Expr(Object.freeze({ kind: 'aggregate', function: aggregateFunction, operand: this.node }))
  }
}

const exprDepths: Depths<ExprNode> = {
  childrenOf: operandsOf,
  // A `when` tries its branches one within the other.
  extra: (node) => (node.kind === 'when' ? node.branches.length - 1 : 0),
  most: EXPR_DEPTH_MAX,
  what: 'Expression',
}

/** The row count. */
export const lenNode: ExprNode = Object.freeze({ kind: 'aggregate', function: 'len', operand: undefined })

function binaryNode(op: BinaryOp, left: ExprNode, right: ExprNode): ExprNode {
  return Object.freeze({ kind: 'binary', op, left, right })
}

/**
 * The name of an expression's output: that of its leftmost leaf, unless an alias names it.
 * A literal is "literal", a row count "len", a `when` takes the name of its first `then`.
 */
export function outputNameOf(node: ExprNode): string {
  switch (node.kind) {
    case 'column':
    case 'alias':
      return node.name
    case 'literal':
      return 'literal'
    case 'binary':
      return outputNameOf(node.left)
    case 'when': {
      const first = node.branches[0]
      return first === undefined ? 'literal' : outputNameOf(first.then)
    }
    case 'aggregate':
      return node.operand === undefined ? 'len' : outputNameOf(node.operand)
    default:
      return outputNameOf(node.operand)
  }
}

/** A `when` that has a value: usable as an expression (null where no condition is true) and open to more branches. */
export class Then<out Name extends string = string, out Tree = unknown> extends Expr<Name, Tree> {
  private readonly branches: readonly WhenBranch<ExprNode>[]

  constructor(branches: readonly WhenBranch<ExprNode>[]) {
    super(whenNode(branches, makeLiteral(null, undefined)))
    this.branches = branches
  }

  when(condition: Operand): ChainedWhen<Name, Tree> {
    return new ChainedWhen(this.branches, nodeOf(condition))
  }
  otherwise<const V extends Operand>(value: V): Expr<Name, UnifyTree<Tree, TreeOf<V>>> {
    return new Expr(whenNode(this.branches, nodeOf(value)))
  }
}

/** A second or later condition of a `when`, waiting for its value. */
export class ChainedWhen<Name extends string, Tree> {
  private readonly branches: readonly WhenBranch<ExprNode>[]
  private readonly condition: ExprNode

  constructor(branches: readonly WhenBranch<ExprNode>[], condition: ExprNode) {
    this.branches = branches
    this.condition = condition
  }

  then<const V extends Operand>(value: V): Then<Name, UnifyTree<Tree, TreeOf<V>>> {
    return new Then([...this.branches, Object.freeze({ when: this.condition, then: nodeOf(value) })])
  }
}

function whenNode(branches: readonly WhenBranch<ExprNode>[], otherwise: ExprNode): ExprNode {
  return Object.freeze({ kind: 'when', branches: Object.freeze([...branches]), otherwise })
}
