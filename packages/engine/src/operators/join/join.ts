/**
 * STREAMING_EQUI_JOIN: hash join that spills.
 *
 * What      pairs of rows with equal keys; kinds: inner, left, right, full, semi, anti, cross. One side is kept (the
 *           build side), the other one streams past it (the probe side); every kind works with either as build side.
 * Order     none.
 * Nulls     null keys match nothing, or each other with nullsEqual; NaN equals NaN; -0 equals 0.
 * Phases    1 build ingestion into radix partitions (sink joinBuild); 2 directories over the complete build side, a
 *           morsel per partition (source joinTable); 3 probing inside the probe side's pipeline (transform joinProbe):
 *           rows whose partition is on disk go to disk unprobed; 4 spilled pairs of partitions, and build rows that
 *           come out because they had a match or none, a morsel per partition (source joinPairs).
 * Memory    1: pages of rows; when pages are refused a large partition is spilled. 3: pages of rows on their way to
 *           disk. 4: one pair per worker; the smaller side is loaded, both are split on the next hash bits if it
 *           does not fit, and when splitting makes no progress it is processed in chunks of constant memory.
 * Cost      O(build + probe + output rows) expected; in chunks: the probe rows of the partition once per chunk.
 * Errors    MEMORY_LIMIT, SPILL_DISK_FULL, SPILL_IO, SPILL_CORRUPTION.
 * Source    tagged chains after Leis, Boncz, Kemper, Neumann: Morsel-Driven Parallelism (2014); partitioning and
 *           spilling after Kuiper, Groß, Boncz, Mühleisen: Saving Private Hash Join (2025).
 */
import type { RowField } from '@spillway/codegen'
import type { DataType, Schema } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import type { OperatorBase } from '../../physical/physical-plan.ts'
import type { RowShape } from '../group-by/row-shape.ts'

/** Build and probe are roles: a spilled pair may be joined with roles reversed. */
export type JoinRole = 'build' | 'probe'

/** Which rows come out: pairs, or rows of one side that have a match (or none), each once. */
export type JoinEmits = 'pairs' | 'probeMatched' | 'probeUnmatched' | 'buildMatched' | 'buildUnmatched'

/** The rows of one side as they are kept and spilled. */
export interface JoinSideShape extends RowShape {
  readonly keyCount: number
  /** Rows can be found by a single integer key, without hashing. */
  readonly hasDirectKey: boolean
  /** Keys, by position, whose least and greatest values are kept. */
  readonly rangedKeys: readonly number[]
  readonly moduleKey: string
  /** Probes the rows of the other side with batches of this side's spillSchema. */
  readonly probeModuleKey: string
}

export interface JoinOutputColumn {
  readonly side: JoinRole
  readonly type: DataType
  /** Position in the batches of the probe side's stream; -1 for a build column. */
  readonly inputColumn: number
  /** Position of the field in the layout of the side's rows, and so of the column in its spillSchema. */
  readonly fieldIndex: number
}

export interface JoinShape {
  readonly text: string
  readonly emits: JoinEmits
  /** Rows of pairs' sides without a match come out beside nulls. */
  readonly keepsProbe: boolean
  readonly keepsBuild: boolean
  readonly build: JoinSideShape
  readonly probe: JoinSideShape
  readonly outputSchema: Schema
  readonly outputs: readonly JoinOutputColumn[]
  /** The build side was chosen by the user: spilled pairs keep their roles too. */
  readonly isForced: boolean
}

export interface JoinBuildSpec extends OperatorBase {
  readonly kind: 'joinBuild'
  readonly sinkId: number
  /** Which of the query's filters tells what is on disk, see spilled-filter.ts; -1 = none. */
  readonly filterCounter: number
  readonly shape: JoinShape
  readonly partitionBits: number
  readonly batchRows: number
  /** Rows expected, for the log; undefined = unknown. */
  readonly estimatedRows: number | undefined
  /** A pipeline that probes it ends in a sink that gathers rows in memory. */
  readonly probeGathers: boolean
}

/** Makes the directories of the build side, one morsel per partition. Puts out nothing. */
export interface JoinTableSpec extends OperatorBase {
  readonly kind: 'joinTable'
  readonly sinkId: number
  readonly filterCounter: number
  readonly shape: JoinShape
  readonly partitionBits: number
  readonly batchRows: number
}

export interface JoinProbeSpec extends OperatorBase {
  readonly kind: 'joinProbe'
  readonly sinkId: number
  readonly filterCounter: number
  /** Under which what is left to joinPairs is published. */
  readonly probeId: number
  readonly shape: JoinShape
  /** Probes with batches of the stream. */
  readonly moduleKey: string
  /** Columns of the stream's batches. */
  readonly inputColumns: number
  readonly partitionBits: number
  readonly batchRows: number
  /** `build right: 4000000 of 20000000 rows`: for explain. */
  readonly reason: string
}

/** Spilled pairs of partitions, and what is left of the build side, one morsel per partition. */
export interface JoinPairsSpec extends OperatorBase {
  readonly kind: 'joinPairs'
  readonly sinkId: number
  readonly filterCounter: number
  readonly probeId: number
  readonly shape: JoinShape
  readonly partitionBits: number
  readonly batchRows: number
}

/** The part of a side that joining two given sides needs. */
export interface MatchColumn {
  readonly type: DataType
  /** From the row of the kept side. */
  readonly field: RowField | undefined
  /** From the probing batch. */
  readonly column: number
}

/** Build rows that come out at the end: with a match, without, or none. */
export function buildRest(shape: Pick<JoinShape, 'emits' | 'keepsBuild'>): 'matched' | 'unmatched' | undefined {
  if (shape.emits === 'buildMatched') return 'matched'
  if (shape.emits === 'buildUnmatched' || shape.keepsBuild) return 'unmatched'
  return undefined
}

/** True when rows of the probe side come out although they have no match. */
export function keepsProbeRows(shape: Pick<JoinShape, 'emits' | 'keepsProbe'>): boolean {
  return shape.keepsProbe || shape.emits === 'probeUnmatched'
}

/** Bits of the hash that a split takes. */
export const JOIN_SPLIT_BITS = 4

type JoinSpec = JoinBuildSpec | JoinTableSpec | JoinProbeSpec | JoinPairsSpec

/** Keys of the generated modules that an operator calls. */
export function joinModuleKeys(spec: JoinSpec): string[] {
  const { build, probe } = spec.shape
  switch (spec.kind) {
    case 'joinBuild':
    case 'joinTable':
      return [build.moduleKey]
    case 'joinProbe':
      return [spec.moduleKey, probe.moduleKey]
    case 'joinPairs':
      return [build.moduleKey, build.probeModuleKey, probe.moduleKey, probe.probeModuleKey]
    default:
      return unreachable(spec)
  }
}

/** Ids under which the published state that an operator reads was published. */
export function joinStatesRead(spec: JoinSpec): number[] {
  if (spec.kind === 'joinBuild') return []
  return spec.kind === 'joinPairs' ? [spec.sinkId, spec.probeId] : [spec.sinkId]
}
