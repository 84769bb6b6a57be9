/**
 * The registry of running operators: kind → how much workspace and floor it needs, and how a worker opens it.
 * A kind that is missing is a compile error. No plan code may be imported here: this is bundled for the workers.
 */
import type { WorkspaceSize } from '@spillway/memory'
import { openCollect } from '../operators/collect/collect.sink.ts'
import { sizeCollect } from '../operators/collect/size-collect.ts'
import { openGenerate, sizeGenerate } from '../operators/generate/generate.source.ts'
import { groupByOutputFloorPages, openGroupByOutput, sizeGroupByOutput } from '../operators/group-by/group-by.output.ts'
import {
  groupByResidentPages,
  groupBySinkFloorPages,
  openGroupBySink,
  sizeGroupBySink,
  sizeGroupByStore,
} from '../operators/group-by/group-by.sink.ts'
import {
  joinBuildFloorPages,
  joinBuildResidentPages,
  openJoinBuild,
  sizeJoinBuild,
  sizeJoinBuildStore,
} from '../operators/join/join-build.sink.ts'
import { joinPairsFloorPages, openJoinPairs, sizeJoinPairs } from '../operators/join/join-pairs.source.ts'
import { joinProbeFloorPages, openJoinProbe, sizeJoinProbe } from '../operators/join/join-probe.transform.ts'
import { joinTableFloorPages, openJoinTable, sizeJoinTable } from '../operators/join/join-table.source.ts'
import { openMultiplexerOutput, sizeMultiplexerOutput } from '../operators/multiplexer/multiplexer.output.ts'
import { firstEntryPages, openMultiplexer, sizeMultiplexer } from '../operators/multiplexer/multiplexer.sink.ts'
import { openScanIpc, scanIpcFloorPages, sizeScanIpc } from '../operators/scan-ipc/scan-ipc.source.ts'
import { openScanParquet, scanParquetFloorPages, sizeScanParquet } from '../operators/scan-parquet/open-scan-parquet.ts'
import { openScanTable, sizeScanTable } from '../operators/scan-table/scan-table.source.ts'
import { openSinkIpc } from '../operators/sink-ipc/sink-ipc.sink.ts'
import { sizeSinkIpc } from '../operators/sink-ipc/size-sink-ipc.ts'
import { openSinkParquet, sizeSinkParquet } from '../operators/sink-parquet/sink-parquet.sink.ts'
import { openOrdinal, sizeOrdinal } from '../operators/ordinal/ordinal.transform.ts'
import { openRaise, sizeRaise } from '../operators/raise/raise.sink.ts'
import { openSlice, sizeSlice } from '../operators/slice/slice.transform.ts'
import { openSortOutput, sizeSortOutput, sortOutputFloorPages } from '../operators/sort/sort.output.ts'
import { openSortSink, sizeSortSink, sizeSortStore, sortSinkFloorPages } from '../operators/sort/sort.sink.ts'
import { openStage, sizeStage } from '../operators/stage/stage.transform.ts'
import type { SinkSpec, SourceSpec, TransformSpec } from '../physical/physical-plan.ts'
import type { OpenContext, Sink, Source, Transform } from './contracts.ts'
import type { MorselClaims } from './morsel-claims.ts'

interface Sized<S> {
  /** Counts the buffers it takes from the workspace. */
  readonly size: (spec: S, size: WorkspaceSize) => void
  /** Guaranteed pages beyond the workspace, per worker. */
  readonly floorPages: (spec: S) => number
}
interface SourceDef<S> extends Sized<S> {
  readonly open: (spec: S, context: OpenContext, claims: MorselClaims) => Source
}
interface TransformDef<S> extends Sized<S> {
  readonly open: (spec: S, context: OpenContext) => Transform
}
interface SinkDef<S> extends Sized<S> {
  /**
   * Pages, beside its floor, that a published state keeps whatever can be spilled is on disk. Left out: it has no such
   * state, and keeps its floor until the query ends.
   */
  readonly residentPages?: (spec: S) => number
  /** Counts the buffers in which it spills what it has published. Left out: it takes none from elsewhere. */
  readonly sizeStore?: (spec: S, size: WorkspaceSize) => void
  readonly open: (spec: S, context: OpenContext) => Sink
}
type Of<U extends { readonly kind: string }, K extends U['kind']> = Extract<U, { readonly kind: K }>

const none = () => 0

export const sources: { readonly [K in SourceSpec['kind']]: SourceDef<Of<SourceSpec, K>> } = {
  scanParquet: { size: sizeScanParquet, floorPages: scanParquetFloorPages, open: openScanParquet },
  scanIpc: { size: sizeScanIpc, floorPages: scanIpcFloorPages, open: openScanIpc },
  scanTable: { size: sizeScanTable, floorPages: none, open: openScanTable },
  generate: { size: sizeGenerate, floorPages: none, open: openGenerate },
  sortOutput: { size: sizeSortOutput, floorPages: sortOutputFloorPages, open: openSortOutput },
  groupByOutput: { size: sizeGroupByOutput, floorPages: groupByOutputFloorPages, open: openGroupByOutput },
  joinTable: { size: sizeJoinTable, floorPages: joinTableFloorPages, open: openJoinTable },
  joinPairs: { size: sizeJoinPairs, floorPages: joinPairsFloorPages, open: openJoinPairs },
  multiplexerOutput: { size: sizeMultiplexerOutput, floorPages: none, open: openMultiplexerOutput },
}

export const transforms: { readonly [K in TransformSpec['kind']]: TransformDef<Of<TransformSpec, K>> } = {
  stage: { size: sizeStage, floorPages: none, open: openStage },
  ordinal: { size: sizeOrdinal, floorPages: none, open: openOrdinal },
  slice: { size: sizeSlice, floorPages: none, open: openSlice },
  joinProbe: { size: sizeJoinProbe, floorPages: joinProbeFloorPages, open: openJoinProbe },
}

export const sinks: { readonly [K in SinkSpec['kind']]: SinkDef<Of<SinkSpec, K>> } = {
  sort: {
    ...{ size: sizeSortSink, floorPages: sortSinkFloorPages, open: openSortSink },
    ...{ residentPages: none, sizeStore: sizeSortStore },
  },
  groupBy: {
    ...{ size: sizeGroupBySink, floorPages: groupBySinkFloorPages, open: openGroupBySink },
    ...{ residentPages: groupByResidentPages, sizeStore: sizeGroupByStore },
  },
  joinBuild: {
    ...{ size: sizeJoinBuild, floorPages: joinBuildFloorPages, open: openJoinBuild },
    ...{ residentPages: joinBuildResidentPages, sizeStore: sizeJoinBuildStore },
  },
  multiplexer: { size: sizeMultiplexer, floorPages: none, open: openMultiplexer, residentPages: firstEntryPages },
  collect: { size: sizeCollect, floorPages: none, open: openCollect },
  sinkParquet: { size: sizeSinkParquet, floorPages: none, open: openSinkParquet },
  raise: { size: sizeRaise, floorPages: none, open: openRaise },
  sinkIpc: { size: sizeSinkIpc, floorPages: none, open: openSinkIpc },
}

/** The definition of a spec; the one place where the union is narrowed by its kind. */
export const sourceOf = (spec: SourceSpec): SourceDef<SourceSpec> => sources[spec.kind] as SourceDef<SourceSpec>
export const transformOf = (spec: TransformSpec): TransformDef<TransformSpec> =>
  transforms[spec.kind] as TransformDef<TransformSpec>
export const sinkOf = (spec: SinkSpec): SinkDef<SinkSpec> => sinks[spec.kind] as SinkDef<SinkSpec>
