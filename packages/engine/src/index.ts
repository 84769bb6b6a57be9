/** Physical plans, operators and the engine that runs them. */
export { EngineCore, type EngineCoreOptions } from './main/engine-core.ts'
export { trimAfterBatch } from './main/heap-trim.ts'
export { labelOf, type MemoryClass, memoryClassOf } from './main/labels.ts'
export {
  type AdmittedQuery,
  type EncoderNeed,
  noEncoder,
  noTesting,
  type OperatorMetrics,
  type Progress,
  type QueryMetrics,
  type QueryOptions,
  type QueryRequest,
  type QueryRoot,
  type TestingOptions,
} from './main/query-request.ts'
export { megabytes } from './main/query-sizer.ts'
export type { CollectOutput, CollectSpec } from './operators/collect/collect.ts'
export { sizeCollect } from './operators/collect/size-collect.ts'
export type { SinkFileOutput } from './operators/sink-file/sink-file.ts'
export {
  chainsOf,
  type OperatorSpec,
  operatorsOf,
  type PhysicalPipeline,
  type PhysicalPlan,
  type PipelineChain,
  type SinkSpec,
  sinkUsesOf,
  type Sizing,
} from './physical/physical-plan.ts'
export { sizeSinkIpc } from './operators/sink-ipc/size-sink-ipc.ts'
export { bytesOfRows, estimateOutput, type OutputEstimate } from './lowering/estimate-output.ts'
export type { RootSink } from './lowering/lower-plan.ts'
export type { PhysicalRoot } from './physical/physical-plan.ts'
export { workerFile } from './worker-file.ts'
