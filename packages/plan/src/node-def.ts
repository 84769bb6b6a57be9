/**
 * The contract of a logical node's definition, and the schema arithmetic that the node constructors share.
 */
import { type Field, findFieldIndex, makeSchema, type Schema, typeEquals } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { NamedExpr, TypedExpr } from './expr-node.ts'
import { exprChildren } from './expr-walk.ts'
import type { LogicalNode } from './logical-node.ts'
import { columnNotFound } from './nearest-name.ts'

/** Local facts of one kind of node; one definition per kind stands in `nodes/registry.ts`. */
export interface NodeDef<N> {
  readonly childrenOf: (node: N) => readonly LogicalNode[]
  /** The same node over other children (as many as `childrenOf` gives); lists every field, never spreads. */
  readonly withChildren: (node: N, children: readonly LogicalNode[]) => LogicalNode
  /** One line, without the children. */
  readonly explain: (node: N) => string
}

/** The one child of a node with one input. */
export function onlyChild(children: readonly LogicalNode[]): LogicalNode {
  const child = children[0]
  assert(child !== undefined && children.length === 1, 'a node with one input gets exactly one child')
  return child
}

/** A source has no children; returns the node itself. */
export function noChildren<N>(node: N, children: readonly LogicalNode[]): N {
  assert(children.length === 0, 'a source gets no children')
  return node
}

/** Fields `names` of a schema, in that order. @throws PlanError COLUMN_NOT_FOUND */
export function pickFields(schema: Schema, names: readonly string[]): Schema {
  return makeSchema(
    names.map((name) => {
      const field = schema.fields[findFieldIndex(schema, name)]
      if (field === undefined) throw columnNotFound(name, schema)
      return field
    }),
  )
}

/** The output fields of named expressions. */
export function fieldsOf(columns: readonly NamedExpr[]): Field[] {
  return columns.map(({ name, expr }) => Object.freeze({ name, type: expr.type, nullable: expr.nullable }))
}

/** Asserts that every column reference names a column of the schema and has its type. */
export function assertColumnsMatch(expr: TypedExpr, schema: Schema): void {
  if (expr.kind === 'column') {
    const field = schema.fields[findFieldIndex(schema, expr.name)]
    if (field === undefined) throw columnNotFound(expr.name, schema)
    assert(typeEquals(field.type, expr.type), `column "${expr.name}" is typed against the schema of its node's input`)
  }
  for (const child of exprChildren(expr)) assertColumnsMatch(child, schema)
}
