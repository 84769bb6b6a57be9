/**
 * How operations change the static schema of a frame. Each result is one flat mapped type: nested intersections make
 * the compiler give up after some thirty chained calls, flat ones carry more than fifty.
 */
import type { DataType } from '@spillway/columnar'
import type { Expr, Resolve, SchemaTypes } from '@spillway/plan'

/** What selects columns: a name or an expression. */
export type Selector = string | Expr
/** One selector, or several in an array. */
export type SelectorArg = Selector | readonly Selector[]

/** Takes the selectors out of their arrays. */
type Flat<A> = A extends readonly (infer E)[] ? E : A

/** The output name of a selector. */
export type NameOf<A> = A extends string ? A : A extends Expr<infer N, unknown> ? N : never

/** The data type of a selector on schema S. */
export type TypeOf<S, A> = A extends keyof S
  ? Extract<S[A], DataType>
  : A extends Expr<string, infer T>
    ? Resolve<S, T>
    : DataType

/** The schema of select and agg: one column per selector. */
export type Selected<S extends SchemaTypes, Args extends readonly SelectorArg[]> = {
  readonly [A in Flat<Args[number]> as NameOf<A>]: TypeOf<S, A>
}

/**
 * Makes the compiler work out every column now. Left alone it would keep a tower of unresolved types, one floor per
 * chained call, and fail at about fifty floors.
 */
type Eager<T> = T extends infer R extends SchemaTypes ? R : never

/** Columns of S, replaced and added to by those of A. */
export type Merge<S extends SchemaTypes, A> = Eager<{
  readonly [K in keyof S | keyof A]: K extends keyof A ? A[K] : K extends keyof S ? S[K] : never
}>

/** S without the columns N. */
export type Dropped<S extends SchemaTypes, N extends string> = {
  readonly [K in keyof S as K extends N ? never : K]: S[K]
}

/** S with names mapped by R. */
export type Renamed<S extends SchemaTypes, R extends { readonly [name: string]: string }> = {
  readonly [K in keyof S as K extends keyof R ? R[K] : K]: S[K]
}
