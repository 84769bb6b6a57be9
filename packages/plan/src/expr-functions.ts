/** The functions that start an expression: `col`, `lit`, `when`, and aggregates by column name. */
import { type DataType, requireDataType } from '@spillway/columnar'
import { Expr, lenNode, nodeOf, Then } from './expr.ts'
import { type LiteralInput, makeLiteral } from './literal-value.ts'
import type { FixedTree, Float64Type, Int64Type, LiteralTree, Operand, RefTree, SumTree, TreeOf } from './type-level.ts'

/** The column of that name. */
export function col<const N extends string>(name: N): Expr<N, RefTree<N>> {
  return new Expr(Object.freeze({ kind: 'column', name }))
}

/**
 * A literal. Without a type a number adapts to the other operand; with one the value must fit it exactly.
 * Text is accepted for dates, timestamps and decimals: `lit('12.50', DataType.Decimal(10, 2))`.
 * @throws PlanError TYPE_MISMATCH when the value does not fit the type.
 */
export function lit<const V extends LiteralInput>(value: V): Expr<'literal', LiteralTree<V>>
export function lit<const D extends DataType>(value: LiteralInput, type: D): Expr<'literal', FixedTree<D>>
export function lit(value: LiteralInput, type?: DataType): Expr<'literal', unknown> {
  return new Expr(makeLiteral(value, type === undefined ? undefined : requireDataType(type, 'lit')))
}

/** The first condition of a `when`, waiting for its value. */
export interface When {
  then<const V extends Operand>(value: V): Then<NameOfOperand<V>, TreeOf<V>>
}

type NameOfOperand<V> = V extends Expr<infer N, unknown> ? N : 'literal'

/**
 * `when(condition).then(value).when(…).then(…).otherwise(value)`: the value of the first condition that is true.
 * Without `otherwise` the rest is null. A null condition counts as false.
 */
export function when(condition: Operand): When {
  return {
    then: (value) => new Then([Object.freeze({ when: nodeOf(condition), then: nodeOf(value) })]),
  }
}

/** The number of rows, named "len". */
export function len(): Expr<'len', FixedTree<Int64Type>> {
  return new Expr(lenNode)
}

/** Without a name the number of rows, named "count"; with one the number of non-null values of that column. */
export function count(): Expr<'count', FixedTree<Int64Type>>
export function count<const N extends string>(name: N): Expr<N, FixedTree<Int64Type>>
export function count(name?: string): Expr<string, FixedTree<Int64Type>> {
  return name === undefined ? len().alias('count') : col(name).count()
}

export function sum<const N extends string>(name: N): Expr<N, SumTree<RefTree<N>>> {
  return col(name).sum()
}
export function mean<const N extends string>(name: N): Expr<N, FixedTree<Float64Type>> {
  return col(name).mean()
}
export function min<const N extends string>(name: N): Expr<N, RefTree<N>> {
  return col(name).min()
}
export function max<const N extends string>(name: N): Expr<N, RefTree<N>> {
  return col(name).max()
}
export function first<const N extends string>(name: N): Expr<N, RefTree<N>> {
  return col(name).first()
}
export function last<const N extends string>(name: N): Expr<N, RefTree<N>> {
  return col(name).last()
}
export function nUnique<const N extends string>(name: N): Expr<N, FixedTree<Int64Type>> {
  return col(name).nUnique()
}
