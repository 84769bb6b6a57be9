/** Names and memory classes of operators, as explain, metrics and strict mode know them. */
import type { OperatorSpec } from '../physical/physical-plan.ts'

/** bounded: constant memory. spillable: bounded by spilling. unbounded: grows with the data. */
export type MemoryClass = 'bounded' | 'spillable' | 'unbounded'

interface Label {
  readonly label: string
  readonly memoryClass: MemoryClass
}

const labels: { readonly [K in OperatorSpec['kind']]: Label } = {
  scanParquet: { label: 'PARQUET SCAN', memoryClass: 'bounded' },
  scanIpc: { label: 'IPC SCAN', memoryClass: 'bounded' },
  scanTable: { label: 'IN-MEMORY SCAN', memoryClass: 'bounded' },
  generate: { label: 'GENERATE', memoryClass: 'bounded' },
  groupByOutput: { label: 'GROUP_BY OUTPUT', memoryClass: 'spillable' },
  stage: { label: 'STAGE', memoryClass: 'bounded' },
  ordinal: { label: 'ORDINAL', memoryClass: 'bounded' },
  slice: { label: 'SLICE', memoryClass: 'bounded' },
  joinBuild: { label: 'EQUI_JOIN BUILD', memoryClass: 'spillable' },
  joinTable: { label: 'EQUI_JOIN TABLE', memoryClass: 'bounded' },
  joinProbe: { label: 'STREAMING_EQUI_JOIN', memoryClass: 'spillable' },
  joinPairs: { label: 'EQUI_JOIN PAIRS', memoryClass: 'spillable' },
  groupBy: { label: 'STREAMING_GROUP_BY', memoryClass: 'spillable' },
  multiplexer: { label: 'MULTIPLEXER', memoryClass: 'spillable' },
  multiplexerOutput: { label: 'MULTIPLEXER OUTPUT', memoryClass: 'bounded' },
  sort: { label: 'STREAMING_SORT', memoryClass: 'spillable' },
  sortOutput: { label: 'SORT OUTPUT', memoryClass: 'spillable' },
  collect: { label: 'COLLECT', memoryClass: 'bounded' },
  raise: { label: 'RAISE', memoryClass: 'bounded' },
  sinkParquet: { label: 'PARQUET SINK', memoryClass: 'bounded' },
  sinkIpc: { label: 'IPC SINK', memoryClass: 'bounded' },
}

export const labelOf = (spec: OperatorSpec): string => (spec.kind === 'generate' ? spec.label : labels[spec.kind].label)

/** A collect of everything holds the result; all else is as the table says, and nothing spills in memory mode. */
export function memoryClassOf(spec: OperatorSpec, canSpill: boolean): MemoryClass {
  if (spec.kind === 'collect' && spec.mode === 'all') return 'unbounded'
  const { memoryClass } = labels[spec.kind]
  return memoryClass === 'spillable' && !canSpill ? 'unbounded' : memoryClass
}
