/**
 * Entry `@spillway/columnar/arrow`: the bridge to and from Apache Arrow, for the main thread only.
 * Workers import `@spillway/columnar`, which never loads the library.
 */
export * from './arrow-types.ts'
export * from './from-arrow-table.ts'
export * from './from-columns.ts'
export * from './to-arrow-table.ts'
