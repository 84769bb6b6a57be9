/**
 * The plan behind `join`: a join node, and around it what else was asked for.
 *
 *   PROJECT without the ordinals          maintainOrder
 *     SORT by ordinals
 *       PROJECT with merged keys          coalesce of a full join
 *         REQUIRE UNIQUE                  validate
 *           JOIN
 *             ORDINAL                     maintainOrder
 *               left
 *             right
 *
 * Coalescing of the other kinds and the suffix are only a matter of which columns the join puts out under which name.
 */
import { typeName } from '@spillway/columnar'
import {
  coerce,
  containsAggregate,
  type ExprNode,
  exprText,
  findComparableType,
  type JoinOutput,
  type LogicalNode,
  makeFilter,
  makeAggregation,
  makeGuard,
  makeJoin,
  makeOrdinal,
  makeProject,
  makeSort,
  type NamedExpr,
  type TypedExpr,
  typeExpr,
} from '@spillway/plan'
import { makeError } from '@spillway/stdx'
import type { JoinRequest, JoinSide } from './join-options.ts'
import { keepColumns, selectorNodes } from './select-columns.ts'

const sides = ['left', 'right'] as const

interface Keys {
  readonly left: readonly TypedExpr[]
  readonly right: readonly TypedExpr[]
  /** As written. */
  readonly texts: { readonly left: readonly string[]; readonly right: readonly string[] }
  /** Names of the keys, when all of them are plain columns. */
  readonly columns: { readonly left: readonly string[]; readonly right: readonly string[] } | undefined
}

/** @throws PlanError COLUMN_NOT_FOUND, TYPE_MISMATCH, DUPLICATE_COLUMN, INVALID_OPTION, INVALID_PLAN (an aggregate) */
export function planJoin(left: LogicalNode, right: LogicalNode, request: JoinRequest): LogicalNode {
  const keys = typeKeys(left, right, request)
  const isCoalesced = coalesces(request, keys)
  const names = new Set([...left.schema.fields, ...right.schema.fields].map(({ name }) => name))
  const hidden = (base: string): string => {
    let name = base
    while (names.has(name) || names.has(`${name}${request.suffix}`)) name = `_${name}`
    names.add(name)
    return name
  }
  const ordinals = request.orderSides.map((side) => ({ side, name: hidden(`__${side}_row`) }))
  const input = (side: JoinSide): LogicalNode => {
    const node = side === 'left' ? left : right
    const ordinal = ordinals.find((candidate) => candidate.side === side)
    return ordinal === undefined ? node : makeOrdinal(node, ordinal.name, undefined)
  }
  const visible = outputsOf(left, right, request, isCoalesced ? keys.columns : undefined)
  const merged = request.how === 'full' && isCoalesced ? keys.columns : undefined
  const partners = (merged?.right ?? []).map((column) => ({ name: hidden(`__right_${column}`), column }))
  const outputs: JoinOutput[] = [
    ...visible,
    ...partners.map(({ name, column }): JoinOutput => ({ name, side: 'right', column })),
    ...ordinals.map(({ side, name }): JoinOutput => ({ name, side, column: name })),
  ]
  const { how, nullsEqual, buildSide } = request
  const joined = makeJoin(input('left'), input('right'), {
    how,
    leftKeys: keys.left,
    rightKeys: keys.right,
    nullsEqual,
    buildSide,
    outputs,
  })
  let plan = guarded(joined, left, right, keys, request)
  if (merged !== undefined) {
    const pairs = partners.map(({ name }, index) => ({ left: merged.left[index] as string, right: name }))
    plan = mergeKeys(
      plan,
      visible,
      pairs,
      ordinals.map(({ name }) => name),
    )
  }
  if (ordinals.length === 0) return plan
  return withoutOthers(makeSort(plan, orderKeys(plan, ordinals), undefined), visible)
}

/** Types keys against their frames and brings each pair to its common type. */
function typeKeys(left: LogicalNode, right: LogicalNode, request: JoinRequest): Keys {
  const leftNodes = selectorNodes(request.leftKeys)
  const rightNodes = selectorNodes(request.rightKeys)
  const typed = leftNodes.map((node, index) => typePair(node, rightNodes[index] as ExprNode, left, right))
  const names = (nodes: readonly ExprNode[]) => nodes.flatMap((node) => (node.kind === 'column' ? [node.name] : []))
  const columns = { left: names(leftNodes), right: names(rightNodes) }
  const arePlain = columns.left.length === leftNodes.length && columns.right.length === rightNodes.length
  return {
    left: typed.map((pair) => pair.left),
    right: typed.map((pair) => pair.right),
    texts: { left: leftNodes.map(exprText), right: rightNodes.map(exprText) },
    columns: arePlain ? columns : undefined,
  }
}

function typePair(leftNode: ExprNode, rightNode: ExprNode, left: LogicalNode, right: LogicalNode) {
  for (const node of [leftNode, rightNode]) {
    if (!containsAggregate(node)) continue
    throw makeError(
      'INVALID_PLAN',
      `Aggregate in a join key: ${exprText(node)}. Aggregate the frame before the join.`,
      {
        expression: exprText(node),
      },
    )
  }
  const leftKey = typeExpr(leftNode, left.schema)
  const rightKey = typeExpr(rightNode, right.schema)
  const common = findComparableType(leftKey.type, rightKey.type)
  if (common === undefined) {
    const text = (node: ExprNode, key: TypedExpr) => `${exprText(node)} is ${typeName(key.type)}`
    const texts = `${text(leftNode, leftKey)}, ${text(rightNode, rightKey)}`
    throw makeError('TYPE_MISMATCH', `Join keys have no common type: ${texts}. Cast one side with .cast().`, {
      left: exprText(leftNode),
      right: exprText(rightNode),
    })
  }
  // Keys that are null throughout compare as some type or other; they match each other at most.
  const type = common.kind === 'null' ? ({ kind: 'boolean' } as const) : common
  return { left: coerce(leftKey, type), right: coerce(rightKey, type) }
}

/** Whether a pair of keys becomes one column. */
function coalesces({ how, coalesce }: JoinRequest, keys: Keys): boolean {
  if (keys.columns !== undefined) return coalesce ?? how !== 'full'
  if (coalesce !== true) return false
  throw makeError(
    'INVALID_OPTION',
    'coalesce needs plain columns as join keys: one is an expression. Add it with withColumns() before the join.',
    { where: 'join' },
  )
}

/**
 * The columns that users see. Of coalesced keys the left ones stay; those of a right join are the right ones, in the
 * place where the right frame has them.
 */
function outputsOf(
  left: LogicalNode,
  right: LogicalNode,
  { how, suffix }: JoinRequest,
  coalesced: Keys['columns'],
): JoinOutput[] {
  const namesOf = (node: LogicalNode, dropped: readonly string[]): string[] =>
    node.schema.fields.map(({ name }) => name).filter((name) => !dropped.includes(name))
  const isOneSided = how === 'semi' || how === 'anti'
  const leftNames = namesOf(left, how === 'right' ? (coalesced?.left ?? []) : [])
  const rightNames = isOneSided ? [] : namesOf(right, how === 'right' ? [] : (coalesced?.right ?? []))
  const taken = new Set(leftNames)
  const isLeft = new Set(leftNames)
  const outputs = leftNames.map((name): JoinOutput => ({ name, side: 'left', column: name }))
  for (const column of rightNames) {
    const name = isLeft.has(column) ? `${column}${suffix}` : column
    if (taken.has(name)) {
      throw makeError(
        'DUPLICATE_COLUMN',
        `Duplicate column name after the join: "${name}", from the right frame's "${column}" with suffix ` +
          `"${suffix}". Give another suffix, or rename a column before the join.`,
        { column: name, suffix },
      )
    }
    taken.add(name)
    outputs.push({ name, side: 'right', column })
  }
  return outputs
}

/** The join, once every frame whose keys must be unique has been checked; the other frame plays no part in that. */
function guarded(
  joined: LogicalNode,
  left: LogicalNode,
  right: LogicalNode,
  keys: Keys,
  { uniqueSides, validate, nullsEqual }: JoinRequest,
): LogicalNode {
  return sides
    .filter((side) => uniqueSides.includes(side))
    .reduce<LogicalNode>((plan, side) => {
      const violations = violationsOf(side === 'left' ? left : right, keys[side], nullsEqual)
      return makeGuard(plan, violations, { side, keys: keys.texts[side], validate })
    }, joined)
}

/** Keys that occur more than once, named as users wrote them. Null keys match nothing unless `nullsEqual`. */
function violationsOf(input: LogicalNode, keys: readonly TypedExpr[], nullsEqual: boolean): LogicalNode {
  const named = keys.map((expr, index): NamedExpr => ({ name: `key ${index}`, expr }))
  const projected = makeProject(input, named)
  const columns = keepColumns(projected.schema)
  const present = nullsEqual
    ? projected
    : columns
        .filter(({ expr }) => expr.nullable)
        .reduce<LogicalNode>((plan, { expr }) => makeFilter(plan, isNotNull(expr)), projected)
  const grouped = makeAggregation(present, keepColumns(present.schema), [
    { kind: 'alias', operand: { kind: 'aggregate', function: 'len', operand: undefined }, name: 'rows' },
  ])
  const isRepeated: ExprNode = {
    kind: 'binary',
    op: 'gt',
    left: { kind: 'column', name: 'rows' },
    right: { kind: 'literal', value: 1, type: undefined },
  }
  return makeFilter(grouped, typeExpr(isRepeated, grouped.schema))
}

function isNotNull(operand: TypedExpr): TypedExpr {
  return Object.freeze({
    kind: 'unary',
    op: 'isNotNull',
    operand,
    type: Object.freeze({ kind: 'boolean' }),
    nullable: false,
  })
}

/** Coalesced keys of a full join: the left key, or the right one where the left row is missing. */
function mergeKeys(
  plan: LogicalNode,
  visible: readonly JoinOutput[],
  pairs: readonly { readonly left: string; readonly right: string }[],
  others: readonly string[],
): LogicalNode {
  const columns = visible.map(({ name, side }): NamedExpr => {
    const fills = side === 'left' ? pairs.filter(({ left }) => left === name) : []
    const node = fills.reduce<ExprNode>(
      (operand, { right }) => ({ kind: 'fillNull', operand, fill: { kind: 'column', name: right } }),
      { kind: 'column', name },
    )
    return { name, expr: typeExpr(node, plan.schema) }
  })
  const kept = others.map((name) => ({ name, expr: typeExpr({ kind: 'column', name }, plan.schema) }))
  return makeProject(plan, [...columns, ...kept], plan.schema.leftOut)
}

/** Rows of the side that decides come in its order; those that have no row of it come last. */
function orderKeys(plan: LogicalNode, ordinals: readonly { readonly name: string }[]) {
  return ordinals.map(({ name }) => ({
    expr: typeExpr({ kind: 'column', name }, plan.schema),
    descending: false,
    nullsLast: true,
  }))
}

function withoutOthers(plan: LogicalNode, visible: readonly JoinOutput[]): LogicalNode {
  const names = new Set(visible.map(({ name }) => name))
  return makeProject(
    plan,
    keepColumns(plan.schema).filter(({ name }) => names.has(name)),
    plan.schema.leftOut,
  )
}
