/**
 * The static schema of a join: columns of both frames under the names that they come out with. Where the options are
 * not known to the compiler, or a frame's schema is open, so is the result.
 */
import type { DataType } from '@spillway/columnar'
import type { Expr, RefTree, SchemaTypes, Supertype } from '@spillway/plan'
import type { JoinKeys, JoinOptions } from '../lazy-frame/join-options.ts'

type HowOf<O> = O extends { readonly how: infer H extends string } ? H : 'inner'
type SuffixOf<O> = O extends { readonly suffix: infer X extends string } ? X : '_right'

type LeftKeysOf<O> = O extends { readonly on: infer K extends JoinKeys }
  ? K
  : O extends { readonly leftOn: infer K }
    ? K
    : never
type RightKeysOf<O> = O extends { readonly on: infer K extends JoinKeys }
  ? K
  : O extends { readonly rightOn: infer K }
    ? K
    : never

type Flat<K> = K extends readonly (infer E)[] ? E : K
/** The column that a key is; `unknown` for any other expression. */
type ColumnOf<K> = K extends string ? K : K extends Expr<string, RefTree<infer N>> ? N : unknown
type ColumnsOf<K> = ColumnOf<Flat<K>>

/** Names of the keys on both sides, or never when one is an expression. */
type PlainKeys<K> = unknown extends ColumnsOf<K> ? never : ColumnsOf<K> & string

type IsCoalesced<O> = O extends { readonly coalesce: infer C extends boolean }
  ? C
  : HowOf<O> extends 'full'
    ? false
    : true

type ArePlain<O> = unknown extends ColumnsOf<LeftKeysOf<O>> | ColumnsOf<RightKeysOf<O>> ? false : true

type Merged<O> = ArePlain<O> extends true ? (HowOf<O> extends 'cross' ? false : IsCoalesced<O>) : false

/** Key columns that do not come out. */
type LeftDropped<O> = HowOf<O> extends 'right' ? (Merged<O> extends true ? PlainKeys<LeftKeysOf<O>> : never) : never
type RightDropped<O> = HowOf<O> extends 'right' ? never : Merged<O> extends true ? PlainKeys<RightKeysOf<O>> : never

type IsOpen<L, R, O> = string extends keyof L
  ? true
  : string extends keyof R
    ? true
    : string extends PlainKeys<LeftKeysOf<O>> | PlainKeys<RightKeysOf<O>> | SuffixOf<O> | HowOf<O>
      ? true
      : IsUnion<HowOf<O>> extends true
        ? true
        : boolean extends IsCoalesced<O>
          ? true
          : false

type IsUnion<T, U = T> = [T] extends [never] ? false : T extends U ? ([U] extends [T] ? false : true) : never

/** Coalesced keys of a full join hold values of both sides. */
type KeyType<L, R, O, K extends keyof L> =
  HowOf<O> extends 'full'
    ? K extends PlainKeys<LeftKeysOf<O>>
      ? Merged<O> extends true
        ? O extends { readonly on: JoinKeys }
          ? K extends keyof R
            ? Supertype<Extract<L[K], DataType>, Extract<R[K], DataType>>
            : DataType
          : DataType
        : L[K]
      : L[K]
    : L[K]

type LeftNames<L, O> = Exclude<keyof L & string, LeftDropped<O>>

/** Right columns by the names they come out with. */
type RightColumns<L, R, O> = {
  readonly [K in Exclude<keyof R & string, RightDropped<O>> as K extends LeftNames<L, O>
    ? `${K}${SuffixOf<O>}`
    : K]: R[K]
}

type BothSides<L, R, O, C = RightColumns<L, R, O>> = {
  readonly [K in LeftNames<L, O> | keyof C]: K extends keyof C ? C[K] : K extends keyof L ? KeyType<L, R, O, K> : never
}

type Eager<T> = T extends infer A extends SchemaTypes ? A : never

/** The schema of `left.join(right, options)`. */
export type Joined<L extends SchemaTypes, R extends SchemaTypes, O extends JoinOptions> =
  HowOf<O> extends 'semi' | 'anti' ? L : IsOpen<L, R, O> extends true ? SchemaTypes : Eager<BothSides<L, R, O>>
