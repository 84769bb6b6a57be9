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
 * It comes after all rules, so sharing never keeps a condition from being pushed into a source: plans that differ by
 * what was pushed into them share what lies below that. Only columns are pruned for all consumers together, see
 * prune-shared.ts.
 */
import { findFieldIndex, makeSchema } from '@spillway/columnar'
import {
  changeFileScan,
  childrenOf,
  columnsUsed,
  exprEquals,
  type FileScan,
  type InMemory,
  type LogicalNode,
  makeInMemory,
  makeShared,
  type TypedExpr,
  withChildren,
} from '@spillway/plan'
import { assert } from '@spillway/stdx'
import { countEdges, PlanClasses, schemaText } from './plan-classes.ts'

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
    // It was shared before columns were pruned, which may have left one consumer.
    if (node.kind === 'shared') return (edges.get(node) ?? 0) > 1 ? rebuild(node) : use(node.input)
    const union = unions.get(node)
    if (union !== undefined) return makeShared(union, node)
    const result = rebuild(node)
    return (edges.get(node) ?? 0) > 1 ? makeShared(result, result) : result
  }
  return interned.map(use)
}

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
  if (node.kind !== 'inMemory') return `${node.kind} ${JSON.stringify([node.files, node.reading])} ${schemaText(node.fileSchema)}`
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
  return changeFileScan(first, { columns, predicate })
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
