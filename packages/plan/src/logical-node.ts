/**
 * The logical plan: a closed union of frozen nodes, each with its output schema.
 * Nodes are made by the `make…` functions beside their explain text (nodes/*.ts), never by object literals.
 */
import type { Schema } from '@spillway/columnar'
import type { LiteralValue, NamedAggregate, NamedExpr, TypedExpr } from './expr-node.ts'
import type { DataType } from '@spillway/columnar'

/** What a scan of files was asked for; `files` are resolved, sorted absolute paths. */
export interface FileScanFields {
  readonly files: readonly string[]
  readonly schema: Schema
  /** Columns to read, in output order: the schema's names after projection pushdown. */
  readonly columns: readonly string[]
  /** Pushed-down predicate over the file's columns (also ones not in `columns`); rows that fail it are dropped. */
  readonly predicate: TypedExpr | undefined
  /** Pushed-down slice, applied to rows in file order before the predicate; only set when predicate is undefined. */
  readonly slice: { readonly offset: number; readonly length: number } | undefined
  /** The whole file schema. */
  readonly fileSchema: Schema
  readonly reading: ScanReading
}

/** How a scan reads. Bounds hold whatever the memory limit allows; undefined = none. */
export interface ScanReading {
  /** Files that are read at a time. */
  readonly maxConcurrentFiles: number | undefined
  /** Decoded bytes that are held before they are used, over all files. */
  readonly readAheadBytes: number | undefined
  /** Columns of bytes are read as text, which they must be then. */
  readonly binaryAsString: boolean
}

export interface ScanParquet extends FileScanFields {
  readonly kind: 'scanParquet'
}

/** Arrow IPC files (Feather version 2). */
export interface ScanIpc extends FileScanFields {
  readonly kind: 'scanIpc'
}

export type FileScan = ScanParquet | ScanIpc

/** Columns already in memory. `table` is an opaque handle that the engine resolves (never the data itself). */
export interface InMemory {
  readonly kind: 'inMemory'
  readonly schema: Schema
  readonly rowCount: number
  readonly table: object
  /** Columns to read, in output order. */
  readonly columns: readonly string[]
  readonly slice: { readonly offset: number; readonly length: number } | undefined
}

/** Columns computed from the row number: nothing is materialised. */
export type GeneratedColumn =
  | {
      readonly kind: 'intRange'
      readonly name: string
      readonly start: bigint
      readonly step: bigint
      readonly type: DataType
    }
  | { readonly kind: 'repeat'; readonly name: string; readonly value: LiteralValue; readonly type: DataType }

export interface Generated {
  readonly kind: 'generated'
  readonly schema: Schema
  readonly rowCount: number
  readonly columns: readonly GeneratedColumn[]
  readonly slice: { readonly offset: number; readonly length: number } | undefined
}

export interface Filter {
  readonly kind: 'filter'
  readonly input: LogicalNode
  readonly predicate: TypedExpr
  readonly schema: Schema
}

/** select, withColumns, drop and rename all become a projection. */
export interface Project {
  readonly kind: 'project'
  readonly input: LogicalNode
  readonly exprs: readonly NamedExpr[]
  readonly schema: Schema
}

/** groupBy().agg(), unique(), and select() of aggregates (no keys: exactly one row, also for no input). */
export interface GroupBy {
  readonly kind: 'groupBy'
  readonly input: LogicalNode
  readonly keys: readonly NamedExpr[]
  readonly aggregates: readonly NamedAggregate[]
  readonly schema: Schema
}

/** Rows offset … offset+length of the input in its order. length may be Infinity. */
export interface Slice {
  readonly kind: 'slice'
  readonly input: LogicalNode
  readonly offset: number
  readonly length: number
  readonly schema: Schema
}

/** One key of a sort. */
export interface SortKey {
  readonly expr: TypedExpr
  readonly descending: boolean
  /** Where nulls stand, whatever the direction: first, or last. */
  readonly nullsLast: boolean
}

/** The input's rows in the order of the keys; rows with equal keys keep the order of the input. */
export interface Sort {
  readonly kind: 'sort'
  readonly input: LogicalNode
  /** At least one. */
  readonly keys: readonly SortKey[]
  /** Only so many rows from the start (top-k); undefined = all. */
  readonly limit: number | undefined
  readonly schema: Schema
}

/** All rows of the first input, then of the second …; schemas have equal names and types. */
export interface Concat {
  readonly kind: 'concat'
  readonly inputs: readonly LogicalNode[]
  readonly schema: Schema
}

export type JoinHow = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti' | 'cross'

/** One output column of a join: a column of one of the inputs, null where that side has no match. */
export interface JoinOutput {
  readonly name: string
  readonly side: 'left' | 'right'
  /** Its name in that input. */
  readonly column: string
}

/** Pairs of rows with equal keys, unordered. Suffix, coalesce, validate and order are expressed by other nodes. */
export interface Join {
  readonly kind: 'join'
  readonly left: LogicalNode
  readonly right: LogicalNode
  readonly how: JoinHow
  /** Over the left and the right input; equal counts, pairwise equal types; empty for cross only. */
  readonly leftKeys: readonly TypedExpr[]
  readonly rightKeys: readonly TypedExpr[]
  /** True: null keys match each other. */
  readonly nullsEqual: boolean
  /** Which input is held in memory or spilled; the other one streams past it. */
  readonly buildSide: 'auto' | 'left' | 'right'
  /** In output order; left columns only for semi and anti. Empty when only the number of rows is wanted. */
  readonly outputs: readonly JoinOutput[]
  /** Columns of a side that can be missing are nullable. */
  readonly schema: Schema
}

/** The input and a column of numbers that increase with the input's rows. */
export interface Ordinal {
  readonly kind: 'ordinal'
  readonly input: LogicalNode
  /** Name of the last column, int64. */
  readonly name: string
  /** Undefined: unique and increasing, with gaps. Otherwise the first of consecutive numbers. */
  readonly denseFrom: number | undefined
  readonly schema: Schema
}

/** Whose keys must be unique, for messages. */
export interface UniqueCheck {
  readonly side: 'left' | 'right'
  /** The keys as written, in order. */
  readonly keys: readonly string[]
  /** The option that asks for it: `m:1`. */
  readonly validate: string
}

/** The input, unless `violations` has a row: then the query ends with JOIN_KEYS_NOT_UNIQUE. */
export interface Guard {
  readonly kind: 'guard'
  readonly input: LogicalNode
  readonly violations: LogicalNode
  /** Its columns are the keys, then the number of rows that have them. */
  readonly check: UniqueCheck
  readonly schema: Schema
}

/**
 * The rows of `own`, of which all nodes with the same `input` object are computed in one pass where that is possible.
 * The optimizer's last step makes it; no rule sees one.
 */
export interface Shared {
  readonly kind: 'shared'
  /** What is computed once. */
  readonly input: LogicalNode
  /** What this node stands for: `input` itself, or a scan that reads a part of what the scan `input` reads. */
  readonly own: LogicalNode
  readonly schema: Schema
}

export type LogicalNode =
  | ScanParquet
  | ScanIpc
  | InMemory
  | Generated
  | Filter
  | Project
  | GroupBy
  | Slice
  | Sort
  | Concat
  | Join
  | Ordinal
  | Guard
  | Shared
export type LogicalKind = LogicalNode['kind']
