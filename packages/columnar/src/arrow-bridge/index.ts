/**
 * Entry `@spillway/columnar/arrow`: the bridge to and from Apache Arrow, for the main thread only.
 * The library itself is loaded when a function first needs it (arrow-library.ts).
 * Workers import `@spillway/columnar`, which never loads it.
 */
export * from './arrow-library.ts'
export * from './arrow-types.ts'
export * from './from-arrow-table.ts'
export * from './from-columns.ts'
export * from './to-arrow-table.ts'
