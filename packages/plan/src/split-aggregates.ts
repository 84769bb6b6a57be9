/**
 * Splits expressions over aggregates into the aggregates and a projection on top.
 *
 *   agg((col("a").sum() + 1).alias("x"))
 *      →  GROUP BY … [col("a").sum().alias("__aggregate_0")]
 *         PROJECT [key, (col("__aggregate_0") + 1).alias("x")]
 *
 * An expression that is one aggregate needs no projection. Equal aggregates are computed once.
 */
import { type DataType, type Field, makeSchema, type Schema, typeName } from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import { coerce, findSumType } from './coerce.ts'
import { outputNameOf } from './expr.ts'
import type { AggregateFunction, ExprNode, NamedAggregate, NamedExpr, TypedExpr } from './expr-node.ts'
import { operandsOf } from './expr-operands.ts'
import { exprText } from './expr-text.ts'
import { exprEquals } from './expr-walk.ts'
import type { LogicalNode } from './logical-node.ts'
import { makeGroupBy } from './nodes/group-by.ts'
import { makeProject } from './nodes/project.ts'
import { typeExpr } from './type-expr.ts'

type AggregateNode = Extract<ExprNode, { kind: 'aggregate' }>

/** True when an aggregate stands anywhere in the expression. */
export function containsAggregate(node: ExprNode): boolean {
  return node.kind === 'aggregate' || operandsOf(node).some(containsAggregate)
}

/** The same node with every aggregate replaced; other nodes are rebuilt around them. */
function replaceAggregates(node: ExprNode, replace: (aggregate: AggregateNode) => ExprNode): ExprNode {
  if (!containsAggregate(node)) return node
  const inner = (child: ExprNode): ExprNode => replaceAggregates(child, replace)
  switch (node.kind) {
    case 'aggregate':
      return replace(node)
    case 'column':
    case 'literal':
      return node
    case 'binary':
      return { kind: 'binary', op: node.op, left: inner(node.left), right: inner(node.right) }
    case 'unary':
      return { kind: 'unary', op: node.op, operand: inner(node.operand) }
    case 'fillNull':
      return { kind: 'fillNull', operand: inner(node.operand), fill: inner(node.fill) }
    case 'isIn':
      return { kind: 'isIn', operand: inner(node.operand), values: node.values, valueType: node.valueType }
    case 'cast':
      return { kind: 'cast', operand: inner(node.operand), type: node.type, strict: node.strict }
    case 'alias':
      return { kind: 'alias', operand: inner(node.operand), name: node.name }
    case 'when': {
      const branches = node.branches.map((branch) => ({ when: inner(branch.when), then: inner(branch.then) }))
      return { kind: 'when', branches, otherwise: inner(node.otherwise) }
    }
  }
}

/** Result type and nullability of an aggregate; `isGrouped` means that every group has at least one row. */
export function makeAggregate(
  name: string,
  aggregateFunction: AggregateFunction,
  operand: TypedExpr | undefined,
  isGrouped: boolean,
): NamedAggregate {
  const make = (type: DataType, nullable: boolean, input: TypedExpr | undefined): NamedAggregate =>
    Object.freeze({ name, function: aggregateFunction, operand: input, type, nullable })
  if (operand === undefined) return make({ kind: 'int64' }, false, undefined)
  switch (aggregateFunction) {
    case 'len':
      return make({ kind: 'int64' }, false, undefined)
    case 'count':
    case 'nUnique':
      return make({ kind: 'int64' }, false, operand)
    case 'sum': {
      const type = findSumType(operand.type)
      if (type === undefined) throw notAddable('sum', operand)
      return make(type, false, operand.type.kind === 'null' ? coerce(operand, type) : operand)
    }
    case 'mean': {
      if (findSumType(operand.type) === undefined) throw notAddable('mean', operand)
      const input = operand.type.kind === 'null' ? coerce(operand, { kind: 'float64' }) : operand
      return make({ kind: 'float64' }, operand.nullable || !isGrouped, input)
    }
    case 'min':
    case 'max':
    case 'first':
    case 'last':
      return make(operand.type, operand.nullable || !isGrouped, operand)
  }
}

function notAddable(aggregateFunction: string, operand: TypedExpr): Error {
  const text = `${exprText(operand)}.${aggregateFunction}()`
  return makeError('TYPE_MISMATCH', `Cannot add up ${typeName(operand.type)} in ${text}. Use numbers or booleans.`, {
    expression: text,
  })
}

const isSameAggregate = (a: NamedAggregate, b: NamedAggregate): boolean => {
  if (a.function !== b.function) return false
  if (a.operand === undefined || b.operand === undefined) return a.operand === b.operand
  return exprEquals(a.operand, b.operand)
}

/** Collects aggregates while expressions are rewritten; gives equal ones the same column. */
class AggregateList {
  readonly aggregates: NamedAggregate[] = []
  private readonly schema: Schema
  private readonly taken: Set<string>
  private readonly isGrouped: boolean

  constructor(schema: Schema, taken: Iterable<string>, isGrouped: boolean) {
    this.schema = schema
    this.taken = new Set(taken)
    this.isGrouped = isGrouped
  }

  /** The aggregate that computes `node`, added under `name` (or a free name) unless there is an equal one. */
  add(node: AggregateNode, name: string | undefined): NamedAggregate {
    const operand = node.operand === undefined ? undefined : typeExpr(node.operand, this.schema)
    const aggregate = makeAggregate(name ?? this.freeName(), node.function, operand, this.isGrouped)
    const same = name === undefined ? this.aggregates.find((other) => isSameAggregate(other, aggregate)) : undefined
    if (same !== undefined) return same
    this.taken.add(aggregate.name)
    this.aggregates.push(aggregate)
    return aggregate
  }

  private freeName(): string {
    let index = this.aggregates.length
    while (this.taken.has(`__aggregate_${index}`)) index += 1
    return `__aggregate_${index}`
  }
}

function withoutAlias(node: ExprNode): ExprNode {
  return node.kind === 'alias' ? withoutAlias(node.operand) : node
}

/**
 * The plan of `groupBy(keys).agg(outputs)`; with no keys, of a `select` of aggregates (one row).
 * @throws PlanError INVALID_PLAN when a column stands outside an aggregate and is not a key.
 */
export function makeAggregation(
  input: LogicalNode,
  keys: readonly NamedExpr[],
  outputs: readonly ExprNode[],
): LogicalNode {
  const names = outputs.map(outputNameOf)
  const keyFields = keys.map(({ name, expr }): Field => ({ name, type: expr.type, nullable: expr.nullable }))
  // Finds duplicates under the names that the user wrote, before internal names come in.
  makeSchema([...keyFields, ...names.map((name): Field => ({ name, type: { kind: 'null' }, nullable: true }))])
  const list = new AggregateList(input.schema, [...names, ...keyFields.map((field) => field.name)], keys.length > 0)
  if (outputs.every((node) => withoutAlias(node).kind === 'aggregate')) {
    outputs.forEach((node, index) => {
      const inner = withoutAlias(node)
      if (inner.kind === 'aggregate') list.add(inner, names[index])
    })
    return makeGroupBy(input, keys, list.aggregates)
  }
  const rewritten = outputs.map((node) => {
    checkColumnsAreKeys(node, keyFields)
    return replaceAggregates(node, (aggregate) => ({ kind: 'column', name: list.add(aggregate, undefined).name }))
  })
  const grouped = makeGroupBy(input, keys, list.aggregates)
  const keyColumns = keys.map(({ name }) => ({ name, expr: typeExpr({ kind: 'column', name }, grouped.schema) }))
  const results = rewritten.map((node, index) => ({
    name: names[index] ?? outputNameOf(node),
    expr: typeExpr(node, grouped.schema),
  }))
  return makeProject(grouped, [...keyColumns, ...results])
}

/** Outside aggregates only keys have one value per group. */
function checkColumnsAreKeys(node: ExprNode, keys: readonly Field[]): void {
  if (node.kind === 'aggregate') return
  if (node.kind === 'column' && !keys.some((key) => key.name === node.name)) {
    throw makeError(
      'INVALID_PLAN',
      `Column outside an aggregate: ${exprText(node)}. Wrap it in an aggregate such as .first(), or group by it.`,
      { column: node.name },
    )
  }
  for (const operand of operandsOf(node)) checkColumnsAreKeys(operand, keys)
}
