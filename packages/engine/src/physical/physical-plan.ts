/**
 * The physical plan: pipelines of plain data that cross to the workers.
 *
 * A pipeline is one source, transforms, and one or more sinks. Pipelines of a query run one after the other, each on
 * all of the query's workers. A sink that several pipelines feed (concat, nUnique) is published by the last of them.
 * Every operator's spec lives in its folder; this file only forms the closed unions.
 */
import type { Schema } from '@spillway/columnar'
import type { CollectSpec } from '../operators/collect/collect.ts'
import type { GenerateSpec } from '../operators/generate/generate.ts'
import type { GroupByOutputSpec, GroupBySinkSpec } from '../operators/group-by/group-by.ts'
import type { JoinBuildSpec, JoinPairsSpec, JoinProbeSpec, JoinTableSpec } from '../operators/join/join.ts'
import type { OrdinalSpec } from '../operators/ordinal/ordinal.ts'
import type { RaiseSpec } from '../operators/raise/raise.ts'
import type { ScanIpcSpec } from '../operators/scan-ipc/scan-ipc.ts'
import type { ScanParquetSpec } from '../operators/scan-parquet/scan-parquet.ts'
import type { ScanTableSpec } from '../operators/scan-table/scan-table.ts'
import type { SinkIpcSpec } from '../operators/sink-ipc/sink-ipc.ts'
import type { SinkParquetSpec } from '../operators/sink-parquet/sink-parquet.ts'
import type { SliceSpec } from '../operators/slice/slice.ts'
import type { SortOutputSpec, SortSinkSpec } from '../operators/sort/sort.ts'
import type { StageSpec } from '../operators/stage/stage.ts'

export type SourceSpec =
  | ScanParquetSpec
  | ScanIpcSpec
  | ScanTableSpec
  | GenerateSpec
  | GroupByOutputSpec
  | SortOutputSpec
  | JoinTableSpec
  | JoinPairsSpec
export type TransformSpec = StageSpec | SliceSpec | OrdinalSpec | JoinProbeSpec
export type SinkSpec =
  | GroupBySinkSpec
  | SortSinkSpec
  | JoinBuildSpec
  | CollectSpec
  | SinkParquetSpec
  | SinkIpcSpec
  | RaiseSpec
export type OperatorSpec = SourceSpec | TransformSpec | SinkSpec

/** Fields that every operator's spec has. */
export interface OperatorBase {
  /** Unique in the plan; metrics are merged by it. */
  readonly operatorId: number
}

export interface SinkUse {
  readonly sink: SinkSpec
  /** Which of the sink's inputs this pipeline feeds (group-by: 0 = rows, j = distinct values of the j-th nUnique). */
  readonly inputKind: number
  /** True in the last pipeline that feeds the sink. */
  readonly publishes: boolean
}

export interface PhysicalPipeline {
  readonly pipelineId: number
  readonly source: SourceSpec
  readonly transforms: readonly TransformSpec[]
  readonly sinks: readonly SinkUse[]
  /** Only one worker pulls: a slice needs its input in order. */
  readonly isSerial: boolean
  /** Number of morsels of the source. */
  readonly morselCount: number
  /** Sequence of the source's first morsel among all pipelines that feed the same sink. */
  readonly sequenceBase: number
}

/** A generated module that pipelines refer to by key. */
export interface PlannedModule {
  readonly key: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface PhysicalPlan {
  readonly schema: Schema
  readonly pipelines: readonly PhysicalPipeline[]
  readonly modules: readonly PlannedModule[]
  readonly sizing: Sizing
  /** Arena pages that must be reserved before the query starts, for all workers together. */
  readonly floorPages: number
  readonly floorPagesPerWorker: number
  /** True when the output is in the order of the input. */
  readonly isOrdered: boolean
}

/** How much room a plan is made for. Smaller sizings are tried until the floor fits the budget. */
export interface Sizing {
  readonly threads: number
  readonly batchRows: number
  readonly morselRows: number
  readonly partitionBits: number
  /** Largest pre-aggregation directory, log2 of entries. */
  readonly directoryBits: number
  /** Decompressed bytes that a Parquet scan holds per column. */
  readonly windowBytes: number
  readonly output: OutputSizing
}

/** Of a sink that encodes. */
export interface OutputSizing {
  /** Compressed bytes at which a row group ends. */
  readonly rowGroupBytes: number
  /** What the fixed buffers of one worker's encoder should take at most, if smaller ones are possible. */
  readonly encoderBytes: number
}
