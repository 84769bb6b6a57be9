/** The plans behind sort, topK and bottomK: their arguments in all the forms that they may have, as sort keys. */
import {
  containsAggregate,
  Expr,
  exprText,
  type LogicalNode,
  makeSort,
  refuseSurplus,
  refuseUnknownOptions,
  type SortKey,
  typeExpr,
} from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import type { Selector } from '../types/frame-types.ts'
import { selectorNodes } from './select-columns.ts'

/** A key: a column's name or an expression; several in an array, the first one deciding. */
export type SortBy = Selector | readonly Selector[]

/** One flag for all keys, or one for each. */
export type PerKey = boolean | readonly boolean[]

export interface SortOptions {
  /** Largest first. Default false. */
  readonly descending?: PerKey
  /** Nulls behind the values, whatever the direction. Default false: they stand first. */
  readonly nullsLast?: PerKey
  /** Rows with equal keys keep their order. They do in any case: this is for programs that say so. */
  readonly maintainOrder?: boolean
}

/** The whole of a sort in one object, as nodejs-polars also takes it. */
export interface SortByOptions extends SortOptions {
  readonly by: SortBy
}

export interface TopKOptions {
  readonly by: SortBy
  /** Whether a key's largest values come first. Default: true for topK, false for bottomK. */
  readonly descending?: PerKey
}

const SORT_OPTIONS = ['descending', 'nullsLast', 'maintainOrder']

/** What may stand behind `by`: options, or the flags one after the other as in nodejs-polars. */
export type SortArguments = readonly [options?: SortOptions | PerKey, nullsLast?: PerKey, maintainOrder?: boolean]

/** The forms of sort's arguments as one. @throws INVALID_OPTION */
export function sortOptions(by: SortBy | SortByOptions, rest: SortArguments): SortByOptions {
  const [options, nullsLast] = rest
  if (typeof by === 'object' && !Array.isArray(by) && !(by instanceof Expr)) {
    refuseSurplus(rest, 'sort', 'Put all options beside "by".')
    refuseUnknownOptions(by, ['by', ...SORT_OPTIONS], 'sort')
    return by as SortByOptions
  }
  refuseSurplus(rest.slice(SORT_OPTIONS.length), 'sort', 'Give { by, descending, nullsLast }.')
  const last = nullsLast === undefined ? {} : { nullsLast }
  if (typeof options === 'boolean' || isFlags(options)) return { by: by as SortBy, descending: options, ...last }
  if (options !== undefined) refuseSurplus(rest.slice(1), 'sort', 'Put them beside the other options.')
  refuseUnknownOptions(options, SORT_OPTIONS, 'sort')
  return { by: by as SortBy, ...options, ...last }
}

const isFlags = (value: SortOptions | PerKey | undefined): value is readonly boolean[] => Array.isArray(value)

/** All rows in order. @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, INVALID_PLAN, INVALID_OPTION */
export function planSort(input: LogicalNode, { by, descending, nullsLast }: SortByOptions): LogicalNode {
  return makeSort(input, sortKeys(input, by, descending ?? false, nullsLast ?? false, 'sort'), undefined)
}

/** The first `count` rows in order, nulls behind all values. @throws as planSort */
export function planTop(
  input: LogicalNode,
  count: number,
  options: TopKOptions,
  which: 'topK' | 'bottomK',
): LogicalNode {
  refuseUnknownOptions(options ?? null, ['by', 'descending'], which)
  const { by, descending } = options
  return makeSort(input, sortKeys(input, by, descending ?? which === 'topK', true, which), count)
}

function sortKeys(input: LogicalNode, by: SortBy, descending: PerKey, nullsLast: PerKey, method: string): SortKey[] {
  const nodes = selectorNodes(Array.isArray(by) ? by : [by as string | Expr])
  return nodes.map((node, index): SortKey => {
    if (containsAggregate(node)) {
      throw makeError(
        'INVALID_PLAN',
        `Aggregate in ${method}: ${exprText(node)}. Aggregate first with groupBy().agg(), then sort the result.`,
        { expression: exprText(node) },
      )
    }
    return {
      expr: typeExpr(node, input.schema),
      descending: flagOf(descending, index, nodes.length, `descending of ${method}`),
      nullsLast: flagOf(nullsLast, index, nodes.length, `nullsLast of ${method}`),
    }
  })
}

function flagOf(flags: PerKey, index: number, keyCount: number, option: string): boolean {
  if (typeof flags === 'boolean') return flags
  const flag = Array.isArray(flags) && flags.length === keyCount ? (flags[index] as unknown) : undefined
  if (typeof flag === 'boolean') return flag
  const found = Array.isArray(flags) ? `${flags.length} values` : JSON.stringify(flags)
  throw makeError(
    'INVALID_OPTION',
    `Option ${option} needs one boolean, or one for each of ${keyCount} keys: got ${found}.`,
    { option },
  )
}
