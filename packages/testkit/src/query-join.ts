/**
 * The join of a random query: the rows so far with some rows of the source. Keys are columns or expressions of one
 * type, nulls are equal or not, keys are coalesced or not, and where both sides have an order it may be kept.
 *
 *   SELECT … FROM (SELECT *, key AS __l0 FROM (left)) l JOIN (SELECT *, key AS __r0 FROM (right)) r ON __l0 = __r0
 */
import { isFloat, typeEquals } from '@spillway/columnar'
import { col } from 'spillway'
import type { Choices } from './choices.ts'
import { quoteName } from './duckdb-oracle.ts'
import { columnPair, type ExprPair, type QueryColumn, randomCondition, randomValue } from './expr-generator.ts'
import { type JoinChoices, ROW, type State } from './query-state.ts'

const KINDS = ['inner', 'left', 'right', 'full', 'semi', 'anti', 'cross'] as const
/** Most rows of the right side, so that keys that repeat do not make too many pairs. */
const RIGHT_ROWS = 40

interface KeyPair {
  readonly left: ExprPair
  readonly right: ExprPair
}

export function joinStep(state: State, source: State, choices: Choices): State {
  // A second join must not multiply the rows once more.
  const how = choices.oneOf(state.hasJoin ? (['semi', 'anti'] as const) : KINDS)
  const right = rightSide(state, source, choices)
  const keys = how === 'cross' ? [] : randomKeys(choices, state, right)
  const arePlain = keys.every(({ left, right: other }) => isColumn(left) && isColumn(other))
  const said = choices.oneOf(['nothing', 'never', 'always'] as const)
  // Always is an error for keys that are no columns.
  const coalesce = said === 'nothing' || !arePlain ? undefined : said === 'always'
  const isCoalesced = how !== 'cross' && arePlain && (coalesce ?? how !== 'full')
  const nullsEqual = choices.below(3) === 0
  const order = choices.oneOf(['none', 'none', 'leftRight', 'rightLeft'] as const)
  const isOneSided = how === 'semi' || how === 'anti'
  const maintainOrder = state.ordered && !(isOneSided && order === 'rightLeft') ? order : 'none'
  const suffix = `_s${state.steps.length}`
  const options: JoinChoices = {
    how,
    ...(how === 'cross'
      ? {}
      : { leftOn: keys.map((key) => key.left.expr), rightOn: keys.map((key) => key.right.expr) }),
    suffix,
    coalesce,
    nullsEqual,
    maintainOrder,
    buildSide: choices.oneOf(['auto', 'left', 'right'] as const),
  }
  const shape: JoinShape = { how, keys, isCoalesced, nullsEqual, suffix, maintainOrder }
  const outputs = outputsOf(state.columns, right.columns, shape)
  return {
    ...state,
    columns: outputs.map(({ name, type }) => ({ name, type })),
    ordered: maintainOrder !== 'none',
    hasSink: true,
    hasJoin: true,
    canSpill: canSpillOf(how, state.canSpill),
    canSpillUnsorted: undefined,
    build: (frame, api) => state.build(frame, api).join(right.build(frame, api), options),
    sql: (table) => joinSql(state.sql(table), right.sql(table), outputs, shape),
    steps: [...state.steps, `${how} join ${JSON.stringify(options, shorten)} with ${right.steps.join(', ')}`],
  }
}

/** With a row in the answer of an inner join both sides had rows; that of a full join may come from the right alone. */
function canSpillOf(how: JoinChoices['how'], leftCanSpill: boolean): boolean {
  if (how === 'inner' || how === 'semi' || how === 'cross') return true
  return (how === 'left' || how === 'anti') && leftCanSpill
}

const shorten = (name: string, value: unknown): unknown =>
  name === 'leftOn' || name === 'rightOn' ? (value as readonly unknown[]).map(String) : value

interface JoinShape {
  readonly how: JoinChoices['how']
  readonly keys: readonly KeyPair[]
  readonly isCoalesced: boolean
  readonly nullsEqual: boolean
  readonly suffix: string
  readonly maintainOrder: 'none' | 'leftRight' | 'rightLeft'
}

interface JoinColumn extends QueryColumn {
  readonly sql: string
}

const isColumn = (pair: ExprPair): boolean => pair.expr.node.kind === 'column'
const columnName = (pair: ExprPair): string => (pair.expr.node.kind === 'column' ? pair.expr.node.name : '')

/** Some rows of the source, under their own names or under others. */
function rightSide(state: State, source: State, choices: Choices): State {
  const condition = randomCondition(choices, source.columns, 1)
  const isFiltered = choices.below(2) === 0
  const isRenamed = choices.below(2) === 0
  const offset = choices.below(20)
  const columns = source.columns.map(({ name, type }, index) => ({
    name: isRenamed ? `r${state.steps.length}_${index}` : name,
    type,
  }))
  const items = source.columns.map(
    ({ name }, index) => `${quoteName(name)} AS ${quoteName(columns[index]?.name ?? '')}`,
  )
  return {
    ...source,
    columns,
    build: (frame) => {
      const cut = (isFiltered ? frame.filter(condition.expr) : frame).slice(offset, RIGHT_ROWS)
      return cut.select(...source.columns.map(({ name }, index) => col(name).alias(columns[index]?.name ?? '')))
    },
    sql: (table) => {
      const where = isFiltered ? ` WHERE ${condition.sql}` : ''
      const rows = `SELECT * FROM (${source.sql(table)})${where} ORDER BY ${ROW} LIMIT ${RIGHT_ROWS} OFFSET ${offset}`
      return `SELECT ${items.join(', ')}, ${ROW} FROM (${rows})`
    },
    steps: [`source${isFiltered ? ` filter ${condition.sql}` : ''} slice ${offset}`],
  }
}

/** One or two pairs of equal types. Floats that an aggregate made may differ in their last bits and are no keys. */
function randomKeys(choices: Choices, left: State, right: State): KeyPair[] {
  const count = 1 + choices.below(2)
  const pairs: KeyPair[] = []
  for (let index = 0; index < count; index++) {
    const rightKey =
      choices.below(3) === 0 ? randomValue(choices, right.columns) : columnPair(choices.oneOf(right.columns))
    const fits = left.columns.filter(({ type }) => typeEquals(type, rightKey.type))
    const isExact = !isFloat(rightKey.type) || !left.hasSink
    const made = choices.below(3) === 0 ? randomValue(choices, left.columns) : undefined
    if (made !== undefined && typeEquals(made.type, rightKey.type) && isExact)
      pairs.push({ left: made, right: rightKey })
    else if (fits.length > 0 && isExact) pairs.push({ left: columnPair(choices.oneOf(fits)), right: rightKey })
  }
  if (pairs.length > 0) return pairs
  // Nothing fits: whether a value is null always does.
  const isNull = (column: QueryColumn): ExprPair => {
    const pair = columnPair(column)
    return { expr: pair.expr.isNull(), sql: `(${pair.sql} IS NULL)`, type: { kind: 'boolean' } }
  }
  return [{ left: isNull(choices.oneOf(left.columns)), right: isNull(choices.oneOf(right.columns)) }]
}

/** Columns that come out, and what each is over `l` and `r`. */
function outputsOf(left: readonly QueryColumn[], right: readonly QueryColumn[], shape: JoinShape): JoinColumn[] {
  const { how, keys, isCoalesced, suffix } = shape
  const leftKeys = isCoalesced ? keys.map((key) => columnName(key.left)) : []
  const rightKeys = isCoalesced ? keys.map((key) => columnName(key.right)) : []
  const leftOnes = left.filter(({ name }) => how !== 'right' || !leftKeys.includes(name))
  const rightOnes = right.filter(({ name }) => how === 'right' || !rightKeys.includes(name))
  const outputs = leftOnes.map(({ name, type }): JoinColumn => {
    const own = `l.${quoteName(name)}`
    const partners = how === 'full' ? rightKeys.filter((_, index) => leftKeys[index] === name) : []
    const all = [own, ...partners.map((partner) => `r.${quoteName(partner)}`)]
    return { name, type, sql: all.length === 1 ? own : `coalesce(${all.join(', ')})` }
  })
  if (how === 'semi' || how === 'anti') return outputs
  const taken = new Set(leftOnes.map(({ name }) => name))
  const others = rightOnes.map(({ name, type }): JoinColumn => {
    return { name: taken.has(name) ? `${name}${suffix}` : name, type, sql: `r.${quoteName(name)}` }
  })
  return [...outputs, ...others]
}

function joinSql(left: string, right: string, outputs: readonly JoinColumn[], shape: JoinShape): string {
  const { how, keys, nullsEqual, maintainOrder } = shape
  const keyed = (sql: string, side: 'left' | 'right'): string =>
    `(SELECT *${keys.map((key, index) => `, ${key[side].sql} AS __${side}${index}`).join('')} FROM (${sql}))`
  const operator = nullsEqual ? 'IS NOT DISTINCT FROM' : '='
  const on = keys.map((_, index) => `l.__left${index} ${operator} r.__right${index}`).join(' AND ')
  const items = outputs.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`).join(', ')
  const sides = maintainOrder === 'rightLeft' ? ['r', 'l'] : ['l', 'r']
  const isOneSided = how === 'semi' || how === 'anti'
  const order = (isOneSided ? ['l'] : sides).map((side) => `${side}.${ROW} NULLS LAST`).join(', ')
  const number = maintainOrder === 'none' ? '' : `, row_number() OVER (ORDER BY ${order}) AS ${ROW}`
  const from = `SELECT ${items}${number} FROM ${keyed(left, 'left')} AS l`
  if (how === 'cross') return `${from} CROSS JOIN ${keyed(right, 'right')} AS r`
  if (isOneSided) {
    const not = how === 'anti' ? 'NOT ' : ''
    return `${from} WHERE ${not}EXISTS (SELECT 1 FROM ${keyed(right, 'right')} AS r WHERE ${on})`
  }
  return `${from} ${how.toUpperCase()} JOIN ${keyed(right, 'right')} AS r ON ${on}`
}
