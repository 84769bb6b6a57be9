/**
 * share-subplans: what occurs several times in the plans of a query becomes one object that all of them read.
 *
 *   JOIN k = k                        JOIN k = k
 *     GROUP BY k: sum(a)                SHARED 1 (2 consumers)
 *       PARQUET SCAN x           →        GROUP BY k: sum(a)
 *     GROUP BY k: sum(a)                    PARQUET SCAN x
 *       PARQUET SCAN x                  SHARED 1 (as above)
 *
 * Equal subtrees are found by hash-consing: every node gets the number of its class, from its own fields and the
 * classes of its inputs. The largest equal subtrees are shared: nodes that two different places refer to. Scans of the
 * same files that differ in columns or predicate get a scan of the union above which each keeps its own columns and
 * predicate; a scan with a slice stays alone. The engine decides which consumers are served in one pass: where a second
 * pass over a scan costs less than keeping its rows, or reading the union costs more than reading the parts, it reads
 * twice.
 *
 * It comes after all rules, so sharing never keeps a condition or a projection from being pushed into a source: plans
 * that differ by what was pushed into them share what lies below that.
 */
import { findFieldIndex, makeSchema, type Schema } from '@spillway/columnar'
import {
  childrenOf,
  columnsUsed,
  exprEquals,
  type FileScan,
  type InMemory,
  type LogicalNode,
  makeFileScan,
  makeInMemory,
  makeShared,
  type TypedExpr,
  withChildren,
} from '@spillway/plan'
import { assert } from '@spillway/stdx'

/** @returns as many plans as were given; the very same objects when nothing is shared */
export function shareSubplans(roots: readonly LogicalNode[]): readonly LogicalNode[] {
  const classes = new PlanClasses()
  const interned = roots.map((root) => classes.intern(root))
  const edges = countEdges(interned)
  const unions = unionScans([...edges.keys()])
  if (unions.size === 0 && [...edges.values()].every((count) => count === 1)) return roots
  const rebuilt = new Map<LogicalNode, LogicalNode>()
  const rebuild = (node: LogicalNode): LogicalNode => {
    const known = rebuilt.get(node)
    if (known !== undefined) return known
    const result = withChildren(node, childrenOf(node).map(use))
    rebuilt.set(node, result)
    return result
  }
  const use = (node: LogicalNode): LogicalNode => {
    const union = unions.get(node)
    if (union !== undefined) return makeShared(union, node)
    const result = rebuild(node)
    return (edges.get(node) ?? 0) > 1 ? makeShared(result, result) : result
  }
  return interned.map(use)
}

/** How many places refer to each distinct node. */
function countEdges(roots: readonly LogicalNode[]): Map<LogicalNode, number> {
  const edges = new Map<LogicalNode, number>()
  const visit = (node: LogicalNode): void => {
    const known = edges.get(node)
    edges.set(node, (known ?? 0) + 1)
    if (known === undefined) for (const child of childrenOf(node)) visit(child)
  }
  for (const root of roots) visit(root)
  return edges
}

// --- equal subtrees -------------------------------------------------------------------------------------------------

/** Hash-consing: equal plans become the same object. */
class PlanClasses {
  readonly #byText = new Map<string, LogicalNode>()
  readonly #numbers = new Map<object, number>()

  intern(node: LogicalNode): LogicalNode {
    const children = childrenOf(node)
    const interned = children.map((child) => this.intern(child))
    const own = withChildren(node, interned)
    const text = this.#textOf(own)
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    this.#byText.set(text, own)
    return own
  }

  /** A number per object. */
  #numberOf(object: object): number {
    const number = this.#numbers.get(object) ?? this.#numbers.size
    this.#numbers.set(object, number)
    return number
  }

  /** All fields of a node, inputs by number. What follows from the others (the output schema) is left out. */
  #textOf(node: LogicalNode): string {
    const inputs = new Set<unknown>(childrenOf(node))
    const opaque = (key: string, value: unknown): boolean => inputs.has(value) || key === 'table'
    const parts = Object.entries(node)
      .filter(([key]) => key !== 'schema')
      .map(([key, value]) => `${key}:${this.#valueText(key, value, opaque)}`)
    return parts.join(';')
  }

  #valueText(key: string, value: unknown, isOpaque: (key: string, value: unknown) => boolean): string {
    if (typeof value === 'object' && value !== null) {
      if (isOpaque(key, value)) return `#${this.#numberOf(value)}`
      if (key === 'fileSchema') return schemaText(value as Schema)
      if (Array.isArray(value)) return `[${value.map((each) => this.#valueText('', each, isOpaque)).join()}]`
      const fields = Object.entries(value).map(([name, each]) => `${name}:${this.#valueText(name, each, isOpaque)}`)
      return `{${fields.join()}}`
    }
    if (typeof value === 'string') return JSON.stringify(value)
    if (typeof value === 'bigint') return `${value}n`
    return Object.is(value, -0) ? '-0' : String(value)
  }
}

const schemaTexts = new WeakMap<Schema, string>()

/** A file may have thousands of columns, and many plans name the same schema object. */
function schemaText(schema: Schema): string {
  const known = schemaTexts.get(schema)
  if (known !== undefined) return known
  const text = JSON.stringify(schema.fields)
  schemaTexts.set(schema, text)
  return text
}

// --- scans of one source --------------------------------------------------------------------------------------------

/** For each scan that others of the same source differ from: the scan that reads what all of them read. */
function unionScans(nodes: readonly LogicalNode[]): Map<LogicalNode, LogicalNode> {
  const bySource = new Map<string, (FileScan | InMemory)[]>()
  const tables = new Map<object, number>()
  for (const node of nodes) {
    if (node.kind !== 'scanParquet' && node.kind !== 'scanIpc' && node.kind !== 'inMemory') continue
    if (node.slice !== undefined) continue
    const source = sourceText(node, tables)
    bySource.set(source, [...(bySource.get(source) ?? []), node])
  }
  const unions = new Map<LogicalNode, LogicalNode>()
  for (const scans of bySource.values()) {
    if (scans.length < 2) continue
    const union = unionOf(scans)
    for (const scan of scans) unions.set(scan, union)
  }
  return unions
}

function sourceText(node: FileScan | InMemory, tables: Map<object, number>): string {
  if (node.kind !== 'inMemory') return `${node.kind} ${JSON.stringify(node.files)} ${schemaText(node.fileSchema)}`
  const number = tables.get(node.table) ?? tables.size
  tables.set(node.table, number)
  return `table ${number}`
}

function unionOf(scans: readonly (FileScan | InMemory)[]): LogicalNode {
  const [first] = scans
  assert(first !== undefined, 'a union is made of scans')
  const wanted = new Set<string>(scans.flatMap((scan) => scan.columns))
  if (first.kind === 'inMemory') {
    const fields = [...wanted].map((name) => {
      const { schema } = scans.find((scan) => scan.columns.includes(name)) as InMemory
      const field = schema.fields[findFieldIndex(schema, name)]
      assert(field !== undefined, 'a scan has the fields of its columns')
      return field
    })
    const { rowCount, table } = first
    return makeInMemory({ schema: makeSchema(fields), rowCount, table, columns: undefined, slice: undefined })
  }
  const predicates = scans.map((scan) => (scan.kind === 'inMemory' ? undefined : scan.predicate))
  // What a consumer's own predicate reads must be there above the scan.
  for (const predicate of predicates) if (predicate !== undefined) addColumns(predicate, wanted)
  const columns = first.fileSchema.fields.map(({ name }) => name).filter((name) => wanted.has(name))
  const predicate = predicates.every((each) => each !== undefined) ? anyOf(predicates) : undefined
  const { files, fileSchema } = first
  return makeFileScan(first.kind, { files, fileSchema, columns, predicate, slice: undefined })
}

function addColumns(predicate: TypedExpr, names: Set<string>): void {
  for (const name of columnsUsed(predicate)) names.add(name)
}

/** Rows that some consumer keeps: conditions that were pushed into a scan never raise. */
function anyOf(predicates: readonly TypedExpr[]): TypedExpr {
  const distinct = predicates.filter(
    (predicate, index) => predicates.findIndex((other) => exprEquals(other, predicate)) === index,
  )
  return distinct.reduce((left, right) => {
    const nullable = left.nullable || right.nullable
    return Object.freeze({ kind: 'binary', op: 'or', left, right, type: left.type, nullable })
  })
}
