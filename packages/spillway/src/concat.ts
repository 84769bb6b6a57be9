/** `concat`: frames of one kind, one after the other. */
import { refuseSurplus, type SchemaTypes } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import { concatDataFrames, type DataFrame } from './data-frame/data-frame.ts'
import { concatLazy, LazyFrame } from './lazy-frame/lazy-frame.ts'

/**
 * All rows of the first frame, then of the second …. DataFrames share their buffers with the result; lazy frames make a
 * lazy frame.
 *
 * ```ts
 * concat([orders.head(1), orders.slice(3)])
 * // CONCAT 2 inputs
 * //   SLICE 1 row from 0
 * //     IN-MEMORY 4 rows ["city", "price", "quantity"]
 * //   SLICE all rows from 3
 * //     IN-MEMORY 4 rows ["city", "price", "quantity"]
 * ```
 * @throws PlanError INVALID_PLAN when there is no frame or both kinds occur, TYPE_MISMATCH when columns differ
 */
export function concat<S extends SchemaTypes>(frames: readonly DataFrame<S>[]): DataFrame<S>
export function concat<S extends SchemaTypes>(frames: readonly LazyFrame<S>[]): LazyFrame<S>
export function concat(frames: readonly (DataFrame | LazyFrame)[], ...surplus: never[]): DataFrame | LazyFrame {
  refuseSurplus(surplus, 'concat', 'It takes a list of frames, which need the same columns.')
  if (!Array.isArray(frames)) {
    throw makeError('INVALID_OPTION', 'Invalid argument of concat: no list of frames. Put the frames in an array.', {})
  }
  const lazy = frames.filter((frame): frame is LazyFrame => frame instanceof LazyFrame)
  if (lazy.length === frames.length && lazy.length > 0) return concatLazy(lazy)
  return concatDataFrames(frames.map((frame) => (frame instanceof LazyFrame ? mixed() : frame)))
}

function mixed(): never {
  throw makeError('INVALID_PLAN', 'Concat of lazy and eager frames. Call .lazy() on the eager ones, or collect first.')
}
