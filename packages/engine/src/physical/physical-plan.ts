/**
 * The physical plan: pipelines of plain data that cross to the workers.
 *
 * A pipeline is one source, transforms, and one or more sinks; where a subplan is shared it branches into chains that
 * have transforms and sinks of their own. Pipelines of a query run one after the other, each on
 * all of the query's workers. A sink that several pipelines feed (concat, nUnique) is published by the last of them.
 * Every operator's spec lives in its folder; this file only forms the closed unions.
 */
import type { CollectSpec } from '../operators/collect/collect.ts'
import type { GenerateSpec } from '../operators/generate/generate.ts'
import type { GroupByOutputSpec, GroupBySinkSpec } from '../operators/group-by/group-by.ts'
import type { JoinBuildSpec, JoinPairsSpec, JoinProbeSpec, JoinTableSpec } from '../operators/join/join.ts'
import type { MultiplexerOutputSpec, MultiplexerSpec } from '../operators/multiplexer/multiplexer.ts'
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
  | MultiplexerOutputSpec
export type TransformSpec = StageSpec | SliceSpec | OrdinalSpec | JoinProbeSpec
export type SinkSpec =
  | GroupBySinkSpec
  | SortSinkSpec
  | JoinBuildSpec
  | MultiplexerSpec
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

/** Transforms and where their batches end: in sinks, in further chains, or in both. */
export interface PipelineChain {
  readonly transforms: readonly TransformSpec[]
  readonly sinks: readonly SinkUse[]
  /** Each gets every batch. */
  readonly branches: readonly PipelineBranch[]
  /** Sequence of the source's first morsel among all chains that feed the same sinks. */
  readonly sequenceBase: number
}

export interface PipelineBranch extends PipelineChain {
  /** Columns of the batches that it gets. */
  readonly inputColumns: number
}

export interface PhysicalPipeline extends PipelineChain {
  readonly pipelineId: number
  readonly source: SourceSpec
  /** Only one worker pulls: a slice needs its input in order. */
  readonly isSerial: boolean
  /** Number of morsels of the source. */
  readonly morselCount: number
}

/** A chain and all that branch off it, outer ones first. */
export function chainsOf(chain: PipelineChain): PipelineChain[] {
  return [chain, ...chain.branches.flatMap(chainsOf)]
}

/** All sinks that a pipeline feeds. */
export function sinkUsesOf(pipeline: PhysicalPipeline): SinkUse[] {
  return chainsOf(pipeline).flatMap((chain) => chain.sinks)
}

/** All operators of a pipeline, in the order in which rows pass them; a branch stands behind what comes before it. */
export function operatorsOf(pipeline: PhysicalPipeline): OperatorSpec[] {
  const { source } = pipeline
  const filter = 'filter' in source && source.filter !== undefined ? [source.filter] : []
  const behind = chainsOf(pipeline).flatMap((chain) => [...chain.transforms, ...chain.sinks.map((use) => use.sink)])
  return [source, ...filter, ...behind]
}

/** A generated module that pipelines refer to by key. */
export interface PlannedModule {
  readonly key: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** The end of one of the query's plans. */
export interface PhysicalRoot {
  readonly sinkId: number
  readonly operatorId: number
  /** True when the output is in the order of the input. */
  readonly isOrdered: boolean
}

export interface PhysicalPlan {
  readonly roots: readonly PhysicalRoot[]
  readonly pipelines: readonly PhysicalPipeline[]
  readonly modules: readonly PlannedModule[]
  readonly sizing: Sizing
  /** Arena pages that must be reserved before the query starts, for all workers together. */
  readonly floorPages: number
  readonly floorPagesPerWorker: number
  /** See plan-floor.ts; all of it per worker. */
  readonly floor: PlanFloor
}

/** Where a sink's buffers lie in a worker's region, in pages. */
export interface SinkPlace {
  readonly sinkId: number
  readonly offset: number
  /** Of what it keeps after publishing; -1: nothing. */
  readonly resident: number
}

/** What a worker needs when, in pages. */
export interface PlanFloor {
  /** One run of pages for all buffers, from the query's start to its end. */
  readonly regionPages: number
  /** The buffers in which a worker spills what was published and is not read yet. */
  readonly store: { readonly offset: number; readonly pages: number }
  readonly sinks: readonly SinkPlace[]
  /** Where the buffers of each pipeline lie. */
  readonly offsets: readonly number[]
  /** By pipeline: pages that are needed from its start on, with the region. Never more than for the one before. */
  readonly pagesFrom: readonly number[]
  /** By pipeline: sinks that are published and not read yet. */
  readonly idle: readonly (readonly number[])[]
  /** By pipeline: pages of the region in a row that no buffer needs while it runs. */
  readonly spare: readonly { readonly offset: number; readonly pages: number }[]
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
