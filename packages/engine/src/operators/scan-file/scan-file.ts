/** What scans of all file formats have in common: morsels, the batch, and a filter that runs inside. Plain data. */
import type { Field, Schema } from '@spillway/columnar'
import type { RowRange } from '@spillway/formats'
import type { OperatorBase } from '../../physical/physical-plan.ts'
import type { StageSpec } from '../stage/stage.ts'
import type { CodeCondition } from './code-filter.ts'

/** Rows of one part (row group, record batch) of one file. */
export interface FileMorsel {
  readonly file: number
  /** Rows of the part to read, ascending, at least one. */
  readonly ranges: readonly RowRange[]
}

/** Tells one version of a file from another. */
export interface FileVersion {
  readonly fileBytes: number
  readonly modifiedNs: bigint
}

/** What a scan knows of the top-k that its rows go to. */
export interface ScanTop {
  /** Where the running bound stands, see top-bound.ts of sort. */
  readonly boundCounter: number
  /** By morsel: the least first word that the keys of its rows may have. */
  readonly leastWords: BigUint64Array
  /** By morsel: its place in the order of the input. Morsels are listed with the most promising ones first. */
  readonly sequences: Uint32Array
}

/**
 * A join that all rows of the scan go to, and that puts out none of them without a match. Its build side is complete
 * when the scan starts: what it holds limits what is read.
 */
export interface ScanBuild {
  /** Under which the build side is published. */
  readonly sinkId: number
  /** Columns of the scan that are keys as they are, and which of the published ranges is theirs. */
  readonly keys: readonly { readonly column: Field; readonly range: number }[]
  /** Null matches null. */
  readonly nullsEqual: boolean
  /** `inner join(id = customer)`: for explain. */
  readonly text: string
}

export interface ScanFileSpec<M extends FileMorsel> extends OperatorBase {
  readonly files: readonly string[]
  /** By file: what the morsels were listed from; a worker that finds another version ends the query. */
  readonly versions: readonly FileVersion[]
  readonly schema: Schema
  readonly morsels: readonly M[]
  readonly batchRows: number
  /** By column of `schema`: bytes of a value in the arena. */
  readonly widths: readonly number[]
  /** Rows that fail it are dropped here, before the other columns are read. */
  readonly filter: StageSpec | undefined
  /** The same filter by dictionary codes, for batches in which all columns that it reads are codes. */
  readonly codeConditions: readonly CodeCondition[]
  /** Columns of `schema` that the filter reads. */
  readonly filterColumns: readonly number[]
  /** So many workers read, as each has one file open; undefined = all of them. */
  readonly maxConcurrentFiles: number | undefined
  /** A top-k above, which may turn out to need no row of a morsel. */
  readonly top: ScanTop | undefined
  readonly builds: readonly ScanBuild[]
  /** Those of them that nobody reads behind the filter. */
  readonly filterOnlyColumns: readonly number[]
  /**
   * Columns that are handed on as dictionary codes where all of them have codes (see pipeline/column-codes.ts): those
   * that the sink takes so.
   */
  readonly codedColumns: readonly number[]
}
