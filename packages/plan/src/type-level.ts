/**
 * Static types of expressions: what the compiler knows about names and data types of columns.
 *
 * An expression does not know its input, so its type is a small tree (`RefTree<'a'>`, `SumTree<RefTree<'a'>>`) that
 * `Resolve<S, T>` evaluates against the schema of the frame it is used on. Where the compiler cannot know, the
 * answer is `DataType`: wide, never wrong.
 */
import type { DataType } from '@spillway/columnar'
import type { Expr } from './expr.ts'
import type { LiteralInput } from './literal-value.ts'

/** Column names with their data types, as the compiler sees a schema. */
export type SchemaTypes = { readonly [name: string]: DataType }

/** Anything that can stand beside an expression: another expression or a literal. */
export type Operand = Expr | LiteralInput

export interface RefTree<N extends string> {
  readonly tree: 'ref'
  readonly name: N
}
export interface FixedTree<D extends DataType> {
  readonly tree: 'fixed'
  readonly type: D
}
export interface LiteralTree<V> {
  readonly tree: 'literal'
  readonly value: V
}
export interface ArithmeticTree<A, B> {
  readonly tree: 'arithmetic'
  readonly left: A
  readonly right: B
}
export interface DivideTree<A, B> {
  readonly tree: 'divide'
  readonly left: A
  readonly right: B
}
/** The common type of two values: fillNull and the branches of when. */
export interface UnifyTree<A, B> {
  readonly tree: 'unify'
  readonly left: A
  readonly right: B
}
export interface SumTree<A> {
  readonly tree: 'sum'
  readonly of: A
}

export type TreeOf<V> = V extends Expr<string, infer T> ? T : LiteralTree<V>

export type BooleanType = { readonly kind: 'boolean' }
export type Int32Type = { readonly kind: 'int32' }
export type Int64Type = { readonly kind: 'int64' }
export type UInt64Type = { readonly kind: 'uint64' }
export type Float32Type = { readonly kind: 'float32' }
export type Float64Type = { readonly kind: 'float64' }
export type BinaryType = { readonly kind: 'binary' }
export type Utf8Type = { readonly kind: 'utf8' }
export type NullType = { readonly kind: 'null' }
export type TimestampType = Extract<DataType, { kind: 'timestamp' }>
export type DecimalType = Extract<DataType, { kind: 'decimal' }>

type Signed = 'int8' | 'int16' | 'int32' | 'int64'
type Unsigned = 'uint8' | 'uint16' | 'uint32' | 'uint64'
type Integer = Signed | Unsigned

type WidestSigned<K> = 'int64' extends K ? 'int64' : 'int32' extends K ? 'int32' : 'int16' extends K ? 'int16' : 'int8'
type WidestUnsigned<K> = 'uint64' extends K
  ? 'uint64'
  : 'uint32' extends K
    ? 'uint32'
    : 'uint16' extends K
      ? 'uint16'
      : 'uint8'

/** One signed and one unsigned kind: the smallest signed that holds both. */
type MixedInteger<K> = [K & ('int64' | 'uint64' | 'uint32')] extends [never]
  ? [K & ('int32' | 'uint16')] extends [never]
    ? 'int16'
    : 'int32'
  : 'int64'

type KindUnion<K extends DataType['kind']> = [K] extends [Signed]
  ? { readonly kind: WidestSigned<K> }
  : [K] extends [Unsigned]
    ? { readonly kind: WidestUnsigned<K> }
    : [K] extends [Integer]
      ? { readonly kind: MixedInteger<K> }
      : 'float64' extends K
        ? Float64Type
        : [K] extends ['float32' | 'int8' | 'int16' | 'uint8' | 'uint16']
          ? Float32Type
          : [K] extends ['float32' | Integer | 'decimal']
            ? 'float32' extends K
              ? Float64Type
              : DecimalType
            : DataType

/** The common type of two data types, by the rules of `findSupertype`. */
export type Supertype<A extends DataType, B extends DataType> = DataType extends A
  ? DataType
  : DataType extends B
    ? DataType
    : A extends NullType
      ? B
      : B extends NullType
        ? A
        : [A['kind']] extends [B['kind']]
          ? [B['kind']] extends [A['kind']]
            ? A['kind'] extends 'decimal' | 'timestamp'
              ? Extract<DataType, { kind: A['kind'] }>
              : A
            : KindUnion<A['kind'] | B['kind']>
          : KindUnion<A['kind'] | B['kind']>

/** The type of a literal alone. */
type LiteralType<V> = V extends null
  ? NullType
  : V extends boolean
    ? BooleanType
    : V extends string
      ? Utf8Type
      : V extends bigint
        ? Int64Type
        : V extends Uint8Array
          ? BinaryType
          : V extends Date
            ? TimestampType
            : V extends number
              ? IsWhole<V> extends true
                ? Int32Type
                : number extends V
                  ? Int32Type | Int64Type | Float64Type
                  : Float64Type
              : DataType

type IsWhole<V extends number> = `${V}` extends `${bigint}` ? true : false

/** A numeric literal beside a column takes the column's type when it fits; a fraction makes an integer a float64. */
type AdaptLiteral<D extends DataType, V> = V extends bigint
  ? D
  : V extends number
    ? D['kind'] extends Integer
      ? number extends V
        ? D | Float64Type
        : IsWhole<V> extends true
          ? D
          : Float64Type
      : D
    : Supertype<D, LiteralType<V>>

type Combine<S, A, B> =
  B extends LiteralTree<infer V>
    ? A extends LiteralTree<infer W>
      ? Supertype<LiteralType<W>, LiteralType<V>>
      : AdaptLiteral<Resolve<S, A>, V>
    : A extends LiteralTree<infer W>
      ? AdaptLiteral<Resolve<S, B>, W>
      : Supertype<Resolve<S, A>, Resolve<S, B>>

type SumType<D extends DataType> = DataType extends D
  ? DataType
  : D['kind'] extends Signed | 'boolean' | 'null'
    ? Int64Type
    : D['kind'] extends Unsigned
      ? UInt64Type
      : D['kind'] extends 'float32' | 'float64'
        ? Float64Type
        : DecimalType

/** The data type of an expression on a frame with schema S. */
export type Resolve<S, T> =
  T extends RefTree<infer N>
    ? N extends keyof S
      ? Extract<S[N], DataType>
      : DataType
    : T extends FixedTree<infer D>
      ? D
      : T extends LiteralTree<infer V>
        ? LiteralType<V>
        : T extends ArithmeticTree<infer A, infer B>
          ? Combine<S, A, B>
          : T extends UnifyTree<infer A, infer B>
            ? Combine<S, A, B>
            : T extends DivideTree<infer A, infer B>
              ? DivideType<S, A, B>
              : T extends SumTree<infer A>
                ? SumType<Resolve<S, A>>
                : DataType

type DivideType<S, A, B> = Combine<S, A, B> extends Float32Type ? Float32Type : Float64Type
