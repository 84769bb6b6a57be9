/**
 * What a join needs of generated code, as the generator sees it: keys and payload are plain columns of input batches.
 *
 * Two modules per join and side: "rows" keeps a side's rows (appends, links, spills and loads them), "probe" looks for
 * the rows that match a batch of the other side. What is done with the matches needs no generated code.
 */
import type { DataType, Schema } from '@spillway/columnar'
import type { RowField, RowLayout } from '../rows/row-layout.ts'

export interface JoinColumn {
  /** Position in the input batches. */
  readonly column: number
  readonly type: DataType
  /** Of a key: whether the key of either side may be null, so that both sides hash and compare alike. */
  readonly nullable: boolean
}

export interface JoinRowsSpec {
  /** None for a cross join: every row has hash 0. */
  readonly keys: readonly JoinColumn[]
  /** Columns that are kept beside the keys. */
  readonly payload: readonly JoinColumn[]
  readonly nullsEqual: boolean
  /** Rows with a null key are kept although they match nothing. Without it they are dropped, unless nullsEqual. */
  readonly keepsNullKeys: boolean
  /** Test only: and-mask over hashes, so that few distinct ones occur. */
  readonly hashMask: bigint | undefined
}

/** A compiled module, its cache key and its parameters (a join has none). */
interface CompiledModule {
  readonly key: string
  /** Generated on first access, so a cached module costs no code generation. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface CompiledJoinRows extends CompiledModule {
  readonly layout: RowLayout
  /** One column per field of the layout, in field order: `hash`, keys, payload. */
  readonly spillSchema: Schema
  /** A single integer key: rows can be found by it without hashing, see linkDirect. */
  readonly hasDirectKey: boolean
  /** Keys, by position, whose range `append` keeps, in the order of the ranges; see joinStore. */
  readonly rangedKeys: readonly number[]
  readonly keyFields: readonly RowField[]
  readonly payloadFields: readonly RowField[]
}

/** Exports of a rows module. `processed` counts selected rows (append) or rows; see GroupByExports. */
export interface JoinRowsExports {
  /** Appends the selected rows of a batch to their partitions. May stop for pages. */
  readonly append: (batch: number, store: number, start: number) => number
  /** Raw fields of n rows (u32 addresses) to the columns of spillSchema; views point into the heap pages. */
  readonly spillRows: (rows: number, n: number, outBatch: number) => void
  /** The inverse: appends the rows of a batch of spillSchema (no selection). May stop for pages. */
  readonly loadRows: (batch: number, store: number, start: number) => number
  /**
   * Enters adjacent rows in a directory of u64 slots: { row that was entered last, tags of all its rows }. Rows of one
   * slot are chained by their links. Rows with a null key are left out unless nullsEqual.
   * @param shift 64 - log2 of the slots (1 … 63)
   * @param levelShift hash bits used up by partitioning
   * @param checksDuplicates 1: compare with the hashes of the chain
   * @returns 1 when two rows had the same hash
   */
  readonly link: (
    first: number,
    rowCount: number,
    directory: number,
    shift: number,
    levelShift: number,
    checksDuplicates: number,
  ) => number
  /**
   * With a single integer key: enters adjacent rows in an array of u32, one per key from `leastKey` on. Rows with equal
   * keys are chained by their links.
   * @returns 1 when two rows had the same key
   */
  readonly linkDirect?: (first: number, rowCount: number, map: number, leastKey: bigint) => number
}

export interface JoinProbeSpec {
  /** Positions in the probing batches; types and order as in the rows. */
  readonly keys: readonly JoinColumn[]
  /** Where the rows hold their keys. */
  readonly keyFields: readonly RowField[]
  readonly layout: RowLayout
  readonly nullsEqual: boolean
  readonly hashMask: bigint | undefined
}

export interface CompiledJoinProbe extends CompiledModule {}

/**
 * Byte offsets of a partition in the table that `lookup` reads; entries of 16 bytes, u32 fields. A partition without
 * rows has a directory of two empty slots.
 */
export const JOIN_TABLE_ENTRY_BYTES = 16
export const joinTable = {
  directory: 0,
  /** 64 - log2 of its slots. */
  shift: 4,
  /** 1 = on disk: its rows are not in the directory. */
  isSpilled: 8,
  /** 1 = rows with equal hashes. */
  hasDuplicates: 12,
} as const

/** Exports of a probe module. Arrays have one element per selected row: hashes u64, candidates and rows u32. */
export interface JoinProbeExports {
  readonly hash: (batch: number, hashes: number) => void
  /** Hashes, and per row the head of the chain that may hold its matches, or 0. */
  readonly lookup: (
    batch: number,
    table: number,
    partitionBits: number,
    levelShift: number,
    hashes: number,
    candidates: number,
  ) => void
  /**
   * With a single integer key: the heads of chains from an array made by linkDirect, all of whose rows match.
   * @param slots keys from leastKey on that the array has room for
   * @returns how many rows have a match
   */
  readonly lookupDirect?: (batch: number, map: number, leastKey: bigint, slots: number, rows: number) => number
  /**
   * The first match of each row, or 0; the candidate becomes the row after it in the chain (0 without a match).
   * @returns how many rows have a match
   */
  readonly match: (batch: number, hashes: number, candidates: number, rows: number) => number
  /**
   * Further matches as pairs { row index in the batch, row }, up to `capacity`. May stop before, to stay short.
   * @param state u32 × 2, zero at first; state[0] is the number of selected rows when all pairs were given
   * @returns the number of pairs
   */
  readonly expand: (
    batch: number,
    hashes: number,
    candidates: number,
    state: number,
    indices: number,
    rows: number,
    capacity: number,
  ) => number
  /** Sets the flag of all rows that match. */
  readonly mark: (batch: number, hashes: number, candidates: number) => void
}
