/**
 * Expressions as data, in two forms.
 *
 * ExprNode   what the user wrote: names, no types. Built by the `Expr` builder, frozen.
 * TypedExpr  what the engine runs: every node carries its type, every conversion is an explicit `cast`.
 *            `typeExpr` (type-expr.ts) turns the first into the second against a schema.
 */
import type { DataType } from '@spillway/columnar'

/**
 * In a typed literal: int64, uint64 and timestamps (units of their type) are bigint, decimals are bigint scaled by the
 * type; smaller integers, floats and dates (days) are number.
 */
export type LiteralValue = null | boolean | number | bigint | string

export type BinaryOp =
  | 'add'
  | 'sub'
  | 'mul'
  /** Floating-point division. */
  | 'div'
  /** Remainder with the sign of the dividend (SQL, JavaScript); integer % 0 is null. */
  | 'mod'
  | 'eq'
  | 'ne'
  | 'lt'
  | 'le'
  | 'gt'
  | 'ge'
  /** Three-valued. */
  | 'and'
  | 'or'

export type UnaryOp = 'not' | 'negate' | 'isNull' | 'isNotNull'

export type AggregateFunction = 'sum' | 'mean' | 'min' | 'max' | 'count' | 'len' | 'first' | 'last' | 'nUnique'

export type ExprNode =
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: LiteralValue; readonly type: DataType | undefined }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly left: ExprNode; readonly right: ExprNode }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly operand: ExprNode }
  | { readonly kind: 'fillNull'; readonly operand: ExprNode; readonly fill: ExprNode }
  | {
      readonly kind: 'isIn'
      readonly operand: ExprNode
      readonly values: readonly LiteralValue[]
      /** Type of the values; undefined lets them adapt to the operand. */
      readonly valueType: DataType | undefined
    }
  | { readonly kind: 'cast'; readonly operand: ExprNode; readonly type: DataType; readonly strict: boolean }
  | { readonly kind: 'when'; readonly branches: readonly WhenBranch<ExprNode>[]; readonly otherwise: ExprNode }
  | { readonly kind: 'alias'; readonly operand: ExprNode; readonly name: string }
  | { readonly kind: 'aggregate'; readonly function: AggregateFunction; readonly operand: ExprNode | undefined }

export interface WhenBranch<E> {
  readonly when: E
  readonly then: E
}

/**
 * A typed expression. Operand types obey these rules, which `typeExpr` establishes and the code generator relies on:
 * - add/sub/mul/mod: both operands have the node's type (numeric). Integers and decimals raise OVERFLOW.
 *   One exception: the operands of a decimal mul keep their own decimal types; their scales add up to the node's scale.
 * - div: operands and result are float32 or float64, all the same.
 * - comparisons: both operands have the same type (any but null); result boolean.
 * - and/or/not: boolean. isNull/isNotNull: any operand. negate: signed integer, float or decimal.
 * - fillNull, when: all value operands have the node's type; conditions are boolean (null counts as false).
 * - isIn: `values` are non-null literals of the operand's type, without duplicates.
 * - cast: `strict` raises CAST_FAILED on a value that does not fit; otherwise it gives null.
 * - a literal with value null has any type.
 * `nullable` false means: no row can be null.
 */
export type TypedExpr =
  | { readonly kind: 'column'; readonly name: string; readonly type: DataType; readonly nullable: boolean }
  | { readonly kind: 'literal'; readonly value: LiteralValue; readonly type: DataType; readonly nullable: boolean }
  | {
      readonly kind: 'binary'
      readonly op: BinaryOp
      readonly left: TypedExpr
      readonly right: TypedExpr
      readonly type: DataType
      readonly nullable: boolean
    }
  | {
      readonly kind: 'unary'
      readonly op: UnaryOp
      readonly operand: TypedExpr
      readonly type: DataType
      readonly nullable: boolean
    }
  | {
      readonly kind: 'fillNull'
      readonly operand: TypedExpr
      readonly fill: TypedExpr
      readonly type: DataType
      readonly nullable: boolean
    }
  | {
      readonly kind: 'isIn'
      readonly operand: TypedExpr
      readonly values: readonly LiteralValue[]
      readonly type: DataType
      readonly nullable: boolean
    }
  | {
      readonly kind: 'cast'
      readonly operand: TypedExpr
      readonly type: DataType
      readonly strict: boolean
      readonly nullable: boolean
    }
  | {
      readonly kind: 'when'
      readonly branches: readonly WhenBranch<TypedExpr>[]
      readonly otherwise: TypedExpr
      readonly type: DataType
      readonly nullable: boolean
    }

/** One output column of a select or withColumns. */
export interface NamedExpr {
  readonly name: string
  readonly expr: TypedExpr
}

/**
 * One aggregate. `operand` is undefined for `len` only. Result types:
 * sum: int* → int64, uint* → uint64, boolean → int64, float* → float64, decimal(p,s) → decimal(38,s).
 * The sum of nothing is 0.
 * mean → float64. min, max, first, last → operand type. count, len, nUnique → int64, never null.
 * count skips nulls; nUnique counts null as a value (as Polars does); first and last keep nulls.
 */
export interface NamedAggregate {
  readonly name: string
  readonly function: AggregateFunction
  readonly operand: TypedExpr | undefined
  readonly type: DataType
  readonly nullable: boolean
}
