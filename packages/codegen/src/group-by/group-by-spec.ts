/**
 * What a group-by computes, as the generator sees it: keys and operands are plain columns of the input batch.
 */
import type { DataType, Schema } from '@spillway/columnar'
import type { AggregateFunction } from '@spillway/plan'
import type { RowLayout } from '../rows/row-layout.ts'

export interface GroupKey {
  readonly name: string
  /** Position in the batches of kind 0. In batches of kind 1 … m the keys are columns 0 … keys.length - 1. */
  readonly column: number
  readonly type: DataType
  readonly nullable: boolean
}

export interface GroupAggregate {
  readonly name: string
  readonly function: AggregateFunction
  /** Position of the operand in batches of kind 0; undefined for `len` (and unused for `nUnique`). */
  readonly column: number | undefined
  /** Type of the operand; undefined for `len`. */
  readonly type: DataType | undefined
  /** Whether the operand may be null. */
  readonly nullable: boolean
}

export interface GroupBySpec {
  /** Columns of batches of kind 0. */
  readonly input: Schema
  /** May be empty: one group, which exists even without input. */
  readonly keys: readonly GroupKey[]
  /**
   * The j-th nUnique aggregate (from 1) is only a counter: each row of a batch of kind j adds one to its group. Such a
   * batch carries the key columns first, then the distinct value.
   */
  readonly aggregates: readonly GroupAggregate[]
  /** Test only: and-mask over hashes, so that few distinct ones occur. */
  readonly hashMask: bigint | undefined
  /** Key columns may be dictionary codes (see coded-code.ts). */
  readonly takesCodes: boolean
}

/** A compiled module, its cache key and its parameters (a group-by has none). */
export interface CompiledGroupBy {
  readonly key: string
  /** Generated on first access, so a cached module costs no code generation. */
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly params: { readonly bytes: Uint8Array; readonly relocations: readonly number[] }
  readonly layout: RowLayout
  /** One column per field of the layout, in field order: `hash`, keys, states. */
  readonly spillSchema: Schema
  /** Key columns, then aggregates. */
  readonly outputSchema: Schema
  readonly keyCount: number
  /** Columns of batches of kind 0 whose strings the states may keep. */
  readonly stringColumns: readonly number[]
  /** Number of nUnique aggregates: batches of kinds 1 … nUniqueCount feed them. */
  readonly nUniqueCount: number
}

/**
 * Exports of the module. Addresses and counts are u32. `processed` counts from row 0 of the batch (or page), so a call
 * that stopped early is repeated with `start = processed` once `local`'s stop reason is dealt with.
 *
 * With a selection, positions are those of the selected rows: hashes[k] and rows[k] belong to the k-th selected row.
 * Key columns differ between batches of kind 0 and of the other kinds, so hash, upsert and append exist for both.
 */
export interface GroupByExports {
  /** Writes u64 hashes of the canonical keys (-0 as 0, one NaN). */
  readonly hash0: (batch: number, hashes: number) => void
  readonly hash1: (batch: number, hashes: number) => void
  /** Finds or creates the row of each key; rows: u32 × selected rows. May stop for any reason. */
  readonly upsert0: (batch: number, hashes: number, local: number, rows: number, start: number) => number
  readonly upsert1: (batch: number, hashes: number, local: number, rows: number, start: number) => number
  /** Always creates a row, outside the directory. May stop for pages. */
  readonly append0: (batch: number, hashes: number, local: number, rows: number, start: number) => number
  readonly append1: (batch: number, hashes: number, local: number, rows: number, start: number) => number
  /** Updates the states of rows[start … end). May stop for heap pages. Row k has ordinal batch.ordinal + k. */
  readonly update0: (batch: number, rows: number, local: number, start: number, end: number) => number
  /** hash0, upsert0 and update0 in one pass; present when no aggregate keeps strings. May stop for any reason. */
  readonly upsertUpdate0: ((batch: number, local: number, start: number) => number) | undefined
  /** The same over the direct map, which must be placed; present beside upsertUpdate0 for a single integer key. */
  readonly upsertUpdateDirect0: ((batch: number, local: number, start: number) => number) | undefined
  /**
   * The same for a batch whose key columns are all dictionary codes; present beside upsertUpdate0 if the spec asks for
   * it and no key is of one byte. `map`: see coded-code.ts.
   */
  readonly upsertUpdateCoded0: ((batch: number, local: number, start: number, map: number) => number) | undefined
  /** Global aggregate: updates one row with all rows of the batch from `start`. May stop for heap pages. */
  readonly updateSingle0: (batch: number, row: number, local: number, start: number) => number
  /** Creates the row of the group without keys. Returns its address, or 0 after stopping for a page. */
  readonly createSingle: (local: number) => number
  /**
   * Links each live row of a page into the directory, or merges it into the row with its key and marks it dead. Never
   * copies, so the page and its heap must outlive the result. May stop for a full range.
   */
  readonly absorb: (local: number, page: number, rowCount: number, start: number) => number
  /**
   * Merges the live rows of a page that have a match in the directory into it, and marks them dead; the others are left
   * alone. Strings are copied, so the page may be freed. May stop for heap pages.
   */
  readonly mergeMatching: (local: number, page: number, rowCount: number, start: number) => number
  /** Copies live rows and their strings into `local`'s partitions without look-up. May stop for pages. */
  readonly transfer: (local: number, page: number, rowCount: number, start: number) => number
  /** Raw fields of n rows (u32 addresses) to the columns of spillSchema; views point into the heap pages. */
  readonly spillRows: (rows: number, n: number, outBatch: number) => void
  /** The inverse: appends the rows of a batch of spillSchema (no selection) without look-up. May stop for pages. */
  readonly loadRows: (batch: number, local: number, start: number) => number
  /** Final columns (outputSchema) of n rows. Returns 1 after an overflow: error slot of outBatch, site = aggregate. */
  readonly emit: (rows: number, n: number, outBatch: number) => number
  /** `update1` … and `updateSingle1` …: the counters of nUnique; the signatures of update0 and updateSingle0. */
  readonly [name: `update${number}`]: (batch: number, rows: number, local: number, start: number, end: number) => number
  readonly [name: `updateSingle${number}`]: (batch: number, row: number, local: number, start: number) => number
}
