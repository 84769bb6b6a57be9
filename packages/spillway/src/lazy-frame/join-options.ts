/**
 * The options of `join`: what users write, how it is checked, and the one form that planning reads.
 */
import { Expr } from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import * as z from 'zod/mini'
import { madeOnce, parseOptions } from '../engine/engine-options.ts'
import type { Selector } from '../types/frame-types.ts'

export type JoinKind = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti' | 'cross'

/** One key or several: names of columns or expressions. */
export type JoinKeys = Selector | readonly Selector[]

export interface JoinOptions {
  /** Keys that both frames have; or `leftOn` and `rightOn`, pairwise. A cross join has none. */
  readonly on?: JoinKeys | undefined
  readonly leftOn?: JoinKeys | undefined
  readonly rightOn?: JoinKeys | undefined
  /** Which rows come out. Default `inner`. */
  readonly how?: JoinKind | undefined
  /** Goes behind names of right columns that a left column has too. Default `_right`. */
  readonly suffix?: string | undefined
  /**
   * One column per pair of keys instead of two. Default true; false for `full` and where a key is not a plain column.
   */
  readonly coalesce?: boolean | undefined
  /** Null keys match each other. Default false: they match nothing. */
  readonly nullsEqual?: boolean | undefined
  /**
   * Which keys must be unique: those of the left frame (`1:m`), of the right one (`m:1`), of both (`1:1`). A frame that
   * breaks it ends the query with JOIN_KEYS_NOT_UNIQUE. Default `m:m`: nothing is checked.
   */
  readonly validate?: 'm:m' | '1:m' | 'm:1' | '1:1' | undefined
  /** Whose order the rows keep; `leftRight`: the left one's, then the right one's. Default `none`. */
  readonly maintainOrder?:
    | 'none'
    | 'left'
    | 'right'
    | 'leftRight'
    | 'rightLeft'
    | 'left_right'
    | 'right_left'
    | undefined
  /** Which frame is held (in memory or in spill files) while the other one streams past. Default `auto`. */
  readonly buildSide?: 'auto' | 'left' | 'right' | 'force_left' | 'force_right' | undefined
}

const keysSchema = () => {
  const selector = z.union([z.string(), z.custom<Expr>((value) => value instanceof Expr, 'must be a name or col()')])
  return z.optional(z.union([selector, z.array(selector)]))
}

const joinSchema = madeOnce(() =>
  z.strictObject({
    on: keysSchema(),
    leftOn: keysSchema(),
    rightOn: keysSchema(),
    how: z.optional(z.enum(['inner', 'left', 'right', 'full', 'semi', 'anti', 'cross'])),
    suffix: z.optional(z.string()),
    coalesce: z.optional(z.boolean()),
    nullsEqual: z.optional(z.boolean()),
    validate: z.optional(z.enum(['m:m', '1:m', 'm:1', '1:1'])),
    maintainOrder: z.optional(
      z.enum(['none', 'left', 'right', 'leftRight', 'rightLeft', 'left_right', 'right_left'] as const),
    ),
    buildSide: z.optional(z.enum(['auto', 'left', 'right', 'force_left', 'force_right'])),
  }),
)

export type JoinSide = 'left' | 'right'

/** Options with their defaults. */
export interface JoinRequest {
  readonly how: JoinKind
  /** As many left as right keys; none for a cross join. */
  readonly leftKeys: readonly Selector[]
  readonly rightKeys: readonly Selector[]
  readonly suffix: string
  /** Undefined = as the kind and the keys decide. */
  readonly coalesce: boolean | undefined
  readonly nullsEqual: boolean
  /** Sides whose keys must be unique. */
  readonly uniqueSides: readonly JoinSide[]
  /** As written, for messages. */
  readonly validate: string
  /** Sides whose order counts, the most important first. */
  readonly orderSides: readonly JoinSide[]
  readonly buildSide: 'auto' | JoinSide
}

const uniqueSidesBy = {
  'm:m': [],
  '1:m': ['left'],
  'm:1': ['right'],
  '1:1': ['left', 'right'],
} as const satisfies Record<string, readonly JoinSide[]>

const orderSidesBy = {
  none: [],
  left: ['left'],
  right: ['right'],
  leftRight: ['left', 'right'],
  rightLeft: ['right', 'left'],
  left_right: ['left', 'right'],
  right_left: ['right', 'left'],
} as const satisfies Record<string, readonly JoinSide[]>

const buildSideBy = { auto: 'auto', left: 'left', right: 'right', force_left: 'left', force_right: 'right' } as const

/** @throws PlanError INVALID_OPTION naming the option and what to do. */
export function resolveJoinOptions(options: JoinOptions): JoinRequest {
  const parsed = parseOptions(joinSchema, options, 'join')
  const how = parsed.how ?? 'inner'
  const { leftKeys, rightKeys } = resolveKeys(parsed, how)
  const validate = parsed.validate ?? 'm:m'
  if (how === 'cross' && validate !== 'm:m') {
    throw invalid(`A cross join has no keys to validate: validate is "${validate}". Leave it out.`)
  }
  // Semi and anti joins put out left rows only, so there is no order of right rows to keep.
  const isOneSided = how === 'semi' || how === 'anti'
  const orderSides = orderSidesBy[parsed.maintainOrder ?? 'none'].filter((side) => side === 'left' || !isOneSided)
  return {
    how,
    leftKeys,
    rightKeys,
    suffix: parsed.suffix ?? '_right',
    coalesce: parsed.coalesce,
    nullsEqual: parsed.nullsEqual ?? false,
    uniqueSides: uniqueSidesBy[validate],
    validate,
    orderSides,
    buildSide: buildSideBy[parsed.buildSide ?? 'auto'],
  }
}

/** The optional `on` forms as two lists. */
function resolveKeys(
  options: Pick<JoinOptions, 'on' | 'leftOn' | 'rightOn'>,
  how: JoinKind,
): Pick<JoinRequest, 'leftKeys' | 'rightKeys'> {
  const { on, leftOn, rightOn } = options
  if (how === 'cross') {
    if (on === undefined && leftOn === undefined && rightOn === undefined) return { leftKeys: [], rightKeys: [] }
    throw invalid('A cross join has no keys. Leave on, leftOn and rightOn out, or use how: "inner".')
  }
  if (on !== undefined) {
    if (leftOn !== undefined || rightOn !== undefined) {
      throw invalid('Join keys are given twice. Use either on, or leftOn and rightOn.')
    }
    const keys = keyList(on)
    if (keys.length === 0) throw invalid('A join needs at least one key: on is empty. Use how: "cross" for all pairs.')
    return { leftKeys: keys, rightKeys: keys }
  }
  if (leftOn === undefined || rightOn === undefined) {
    const missing = leftOn === undefined && rightOn === undefined ? 'there are none' : 'one of two lists is missing'
    throw invalid(`A join needs keys: ${missing}. Give on, or leftOn and rightOn.`)
  }
  const leftKeys = keyList(leftOn)
  const rightKeys = keyList(rightOn)
  if (leftKeys.length !== rightKeys.length || leftKeys.length === 0) {
    const counts = `${leftKeys.length} in leftOn, ${rightKeys.length} in rightOn`
    throw invalid(`A join needs pairs of keys: ${counts}. Give as many left as right keys.`)
  }
  return { leftKeys, rightKeys }
}

function keyList(keys: JoinKeys): readonly Selector[] {
  return typeof keys === 'string' || keys instanceof Expr ? [keys] : keys
}

function invalid(message: string): Error {
  return makeError('INVALID_OPTION', message, { where: 'join' })
}
