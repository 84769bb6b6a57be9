/** Plans over arrays of rows, evaluated as plainly as possible: every expression runs on every row that reaches it. */
import {
  canBeMissing,
  type LiteralValue,
  type LogicalNode,
  makeFilter,
  makeProject,
  type NamedAggregate,
  type RowRange,
  type TypedExpr,
} from '@spillway/plan'
import { compare, evaluate, Raised, type Row } from './naive-expr.ts'

/** Rows of the sources: Parquet scans by their first file, in-memory tables by their handle. */
export interface NaiveSources {
  readonly files: ReadonlyMap<string, readonly Row[]>
  readonly tables: ReadonlyMap<object, readonly Row[]>
}

export function run(node: LogicalNode, sources: NaiveSources): Row[] {
  const rows = runNode(node, sources)
  const names = node.schema.fields.map((field) => field.name)
  for (const row of rows) {
    if (Object.keys(row).join() !== names.join())
      throw new Error(`rows of ${node.kind} have other columns than its schema`)
    for (const { name, nullable } of node.schema.fields) {
      if (row[name] === null && !nullable) throw new Error(`null in ${name}, which is not nullable`)
    }
  }
  return rows
}

function runNode(node: LogicalNode, sources: NaiveSources): Row[] {
  switch (node.kind) {
    case 'scanParquet':
    case 'scanIpc': {
      const rows = cut(sources.files.get(node.files[0] as string) ?? [], node.slice)
      const { predicate } = node
      return rows
        .filter((row) => predicate === undefined || evaluate(predicate, row) === true)
        .map((row) => pick(row, node.columns))
    }
    case 'inMemory':
      return cut(sources.tables.get(node.table) ?? [], node.slice).map((row) => pick(row, node.columns))
    case 'generated': {
      const all = Array.from({ length: node.rowCount }, (_, index) =>
        Object.fromEntries(
          node.columns.map((column): [string, LiteralValue] => [
            column.name,
            column.kind === 'repeat' ? column.value : column.start + column.step * BigInt(index),
          ]),
        ),
      )
      return cut(all, node.slice)
    }
    case 'filter':
      return run(node.input, sources).filter((row) => evaluate(node.predicate, row) === true)
    case 'project':
      return run(node.input, sources).map((row) =>
        Object.fromEntries(node.exprs.map(({ name, expr }) => [name, evaluate(expr, row)])),
      )
    case 'groupBy':
      return runGroupBy(node, sources)
    case 'slice':
      return cut(run(node.input, sources), node)
    case 'sort':
      return runSort(node, sources)
    case 'concat':
      return node.inputs.flatMap((input) => run(input, sources))
    case 'join':
      return runJoin(node, sources)
    case 'ordinal':
      return run(node.input, sources).map((row, index) => ({
        ...row,
        [node.name]: BigInt(index) + BigInt(node.denseFrom ?? 0),
      }))
    case 'shared':
      return run(partOf(node), sources)
    case 'guard':
      if (run(node.violations, sources).length > 0) throw new Raised()
      return run(node.input, sources)
  }
}

/** What a node that shares a scan stands for, computed from the scan that is shared. */
function partOf({ input, own }: Extract<LogicalNode, { kind: 'shared' }>): LogicalNode {
  if (input === own) return input
  const predicate = 'predicate' in own ? own.predicate : undefined
  const rows = predicate === undefined ? input : makeFilter(input, predicate)
  return makeProject(
    rows,
    own.schema.fields.map(({ name, type, nullable }) => ({ name, expr: { kind: 'column', name, type, nullable } })),
  )
}

const cut = (rows: readonly Row[], range: RowRange | undefined): Row[] =>
  range === undefined ? [...rows] : rows.slice(range.offset, range.offset + range.length)

const pick = (row: Row, names: readonly string[]): Row =>
  Object.fromEntries(names.map((name) => [name, row[name] as LiteralValue]))

function runSort(node: Extract<LogicalNode, { kind: 'sort' }>, sources: NaiveSources): Row[] {
  const keyed = run(node.input, sources).map((row) => ({ row, keys: node.keys.map(({ expr }) => evaluate(expr, row)) }))
  keyed.sort((a, b) => {
    for (const [index, { descending, nullsLast }] of node.keys.entries()) {
      const [left, right] = [a.keys[index] as LiteralValue, b.keys[index] as LiteralValue]
      if (left === null && right === null) continue
      if (left === null || right === null) return (left === null) === nullsLast ? 1 : -1
      const order = compare(left, right)
      if (order !== 0) return descending ? -order : order
    }
    return 0
  })
  return cut(
    keyed.map(({ row }) => row),
    { offset: 0, length: node.limit ?? Number.POSITIVE_INFINITY },
  )
}

function runGroupBy(node: Extract<LogicalNode, { kind: 'groupBy' }>, sources: NaiveSources): Row[] {
  const groups = new Map<string, { keys: LiteralValue[]; operands: LiteralValue[][] }>()
  if (node.keys.length === 0) groups.set('', { keys: [], operands: [] })
  for (const row of run(node.input, sources)) {
    const keys = node.keys.map(({ expr }) => evaluate(expr, row)).map((key) => (key === 0 ? 0 : key))
    const text = keys.map((key) => `${typeof key}:${key}`).join('|')
    const group = groups.get(text) ?? { keys, operands: [] }
    groups.set(text, group)
    group.operands.push(node.aggregates.map(({ operand }) => (operand === undefined ? true : evaluate(operand, row))))
  }
  return [...groups.values()].map(({ keys, operands }) => {
    const outputs = node.aggregates.map((aggregate, index): [string, LiteralValue] => [
      aggregate.name,
      aggregateOf(
        aggregate,
        operands.map((values) => values[index] as LiteralValue),
      ),
    ])
    return Object.fromEntries([
      ...node.keys.map(({ name }, index): [string, LiteralValue] => [name, keys[index] as LiteralValue]),
      ...outputs,
    ])
  })
}

/** Nested loops; the text of a key tells null from any value, and has one form for NaN and for both zeros. */
function runJoin(node: Extract<LogicalNode, { kind: 'join' }>, sources: NaiveSources): Row[] {
  const keyed = (input: LogicalNode, exprs: readonly TypedExpr[]) =>
    run(input, sources).map((row) => {
      const keys = exprs.map((expr) => evaluate(expr, row)).map((key) => (key === 0 ? 0 : key))
      const matches = node.nullsEqual || keys.every((key) => key !== null)
      return { row, key: matches ? keys.map((key) => `${typeof key}:${key}`).join('|') : undefined }
    })
  const lefts = keyed(node.left, node.leftKeys)
  const rights = keyed(node.right, node.rightKeys)
  const output = (left: Row | undefined, right: Row | undefined): Row =>
    Object.fromEntries(
      node.outputs.map(({ name, side, column }) => [name, (side === 'left' ? left : right)?.[column] ?? null]),
    )
  const matched = new Set<Row>()
  const rows = lefts.flatMap((left) => {
    const found = rights.filter((right) => left.key !== undefined && left.key === right.key)
    for (const { row } of found) matched.add(row)
    if (node.how === 'semi') return found.length > 0 ? [output(left.row, undefined)] : []
    if (node.how === 'anti') return found.length > 0 ? [] : [output(left.row, undefined)]
    if (found.length > 0) return found.map((right) => output(left.row, right.row))
    return canBeMissing(node.how, 'right') ? [output(left.row, undefined)] : []
  })
  const unmatched = canBeMissing(node.how, 'left') ? rights.filter(({ row }) => !matched.has(row)) : []
  return [...rows, ...unmatched.map(({ row }) => output(undefined, row))]
}

function aggregateOf(aggregate: NamedAggregate, values: readonly LiteralValue[]): LiteralValue {
  const present = values.filter((value) => value !== null)
  switch (aggregate.function) {
    case 'len':
      return BigInt(values.length)
    case 'count':
      return BigInt(present.length)
    case 'sum':
      if (aggregate.type.kind === 'float64') return present.reduce<number>((sum, value) => sum + Number(value), 0)
      return present.reduce<bigint>((sum, value) => sum + BigInt(value as bigint), 0n)
    case 'min':
      return present.reduce<LiteralValue>(
        (least, value) => (least === null || compare(value, least) < 0 ? value : least),
        null,
      )
    case 'first':
      return values[0] ?? null
    default:
      throw new Error(`no naive ${aggregate.function}`)
  }
}
