/** What tests of other packages may use: batches from JavaScript values, and the naive twin of expressions. */
export * from './expr/arena-batch.ts'
export * from './expr/interpret-cast.ts'
export * from './expr/interpret-expr.ts'
