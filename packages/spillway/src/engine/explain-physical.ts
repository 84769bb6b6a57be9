/**
 * The physical plan as text: pipelines, operators with their memory class, what is read and skipped, limit and floor.
 */
import {
  chainsOf,
  type EngineCore,
  labelOf,
  megabytes,
  memoryClassOf,
  noEncoder,
  type OperatorSpec,
  operatorsOf,
  type PhysicalPipeline,
  type PipelineChain,
  type QueryOptions,
  type RootSink,
  sinkUsesOf,
} from '@spillway/engine'
import { readFileMeta } from '@spillway/formats'
import { PAGE_BYTES } from '@spillway/kernels'
import type { LogicalNode } from '@spillway/plan'
import { collectAll, collectStream } from './collect-sinks.ts'
import { ipcEncoderNeed, ipcSink } from './sink-ipc-file.ts'
import { encoderNeed, parquetSink } from './sink-parquet-file.ts'

/** What the explained query ends in; results that stay, and encoding, have needs of their own. */
export type ExplainedSink = 'collect' | 'batches' | 'parquet' | 'ipc'

/** A plan and what it is going to end in. */
export interface ExplainedPlan {
  readonly plan: LogicalNode
  readonly sink: ExplainedSink
}

const rootSinks: { readonly [S in ExplainedSink]: RootSink } = {
  collect: collectAll,
  batches: collectStream(2, Number.POSITIVE_INFINITY),
  parquet: parquetSink('', {}),
  ipc: ipcSink('', {}),
}

export async function explainPhysical(
  core: EngineCore,
  plans: readonly ExplainedPlan[],
  options: QueryOptions,
): Promise<string> {
  const { physical, floorBytes, budgetPages } = await core.plan({
    roots: plans.map(({ plan, sink }) => ({ plan, makeSink: rootSinks[sink], onOutput: () => {} })),
    options,
    keepsResults: plans.some(({ sink }) => sink === 'collect'),
    encoder: (sizing) => ({
      heapBytes: plans.reduce((sum, { sink }) => sum + encoderOf(sink)(sizing).heapBytes, 0),
    }),
    onAdmitted: () => {},
  })
  const canSpill = options.mode === 'streaming'
  const lines = [
    `PHYSICAL PLAN threads=${physical.sizing.threads} batch rows=${physical.sizing.batchRows}`,
    `memory: limit ${megabytes(options.memoryLimitBytes)}, arena ${megabytes(budgetPages * PAGE_BYTES)}, ` +
      `floor ${megabytes(floorBytes)}`,
  ]
  const lineOf = (spec: OperatorSpec, pipeline: PhysicalPipeline): string =>
    `${labelOf(spec)} [${memoryClassOf(spec, canSpill)}] ${detailsOf(spec, pipeline)}`.trimEnd()
  const addChain = (chain: PipelineChain, pipeline: PhysicalPipeline, indent: string): void => {
    const specs = [...chain.transforms, ...chain.sinks.map((use) => use.sink)]
    for (const spec of specs) lines.push(`${indent}${lineOf(spec, pipeline)}`)
    chain.branches.forEach((branch, index) => {
      lines.push(`${indent}BRANCH ${index}`)
      addChain(branch, pipeline, `${indent}  `)
    })
  }
  for (const pipeline of physical.pipelines) {
    const serial = pipeline.isSerial ? ', one worker' : ''
    lines.push(`PIPELINE ${pipeline.pipelineId} (${pipeline.morselCount} morsels${serial})`)
    const behind = new Set<OperatorSpec>(chainsOf(pipeline).flatMap((chain) => chain.transforms))
    for (const spec of operatorsOf(pipeline).filter((each) => !behind.has(each) && !isSink(each, pipeline)))
      lines.push(`  ${lineOf(spec, pipeline)}`)
    addChain(pipeline, pipeline, '  ')
  }
  return lines.join('\n')
}

const isSink = (spec: OperatorSpec, pipeline: PhysicalPipeline): boolean =>
  sinkUsesOf(pipeline).some((use) => use.sink === spec)

/** Joins whose build side will rule out a part of what is scanned. */
function limits({ builds }: Pick<Extract<OperatorSpec, { kind: 'scanParquet' }>, 'builds'>): string {
  return builds
    .map(({ keys, text }) => {
      const names = keys.map(({ column }) => column.name).join(', ')
      return names === '' ? `, nothing when ${text} has no build rows` : `, within the keys [${names}] of ${text}`
    })
    .join('')
}

function encoderOf(sink: ExplainedSink) {
  return sink === 'parquet' ? encoderNeed({}) : sink === 'ipc' ? ipcEncoderNeed : noEncoder
}

function detailsOf(spec: OperatorSpec, pipeline: PhysicalPipeline): string {
  switch (spec.kind) {
    case 'scanParquet': {
      const columns = spec.schema.fields.map((field) => field.name).join(', ')
      const checked = spec.files.every((path) => readFileMeta(path).hasPageChecksums)
      const checksums = checked ? 'page checksums verified' : 'no page checksums'
      const { rowGroupsTotal: total, rowGroupsSkipped } = spec
      const skipped = `row groups ${total - rowGroupsSkipped}/${total} (${rowGroupsSkipped} skipped)`
      const rows = spec.morsels.reduce(
        (sum, { ranges }) => sum + ranges.reduce((part, range) => part + range.rows, 0),
        0,
      )
      return `files=${spec.files.length} columns=[${columns}] ${skipped}, rows ${rows}, ${checksums}${limits(spec)}`
    }
    case 'scanIpc': {
      const columns = spec.schema.fields.map((field) => field.name).join(', ')
      const rows = spec.morsels.reduce(
        (sum, { ranges }) => sum + ranges.reduce((part, range) => part + range.rows, 0),
        0,
      )
      return `files=${spec.files.length} columns=[${columns}] rows ${rows}${limits(spec)}`
    }
    case 'scanTable':
      return `columns=[${spec.schema.fields.map((field) => field.name).join(', ')}]`
    case 'generate':
      return `rows=${spec.rowCount}`
    case 'stage':
      return spec.text
    case 'slice':
      return `offset=${spec.offset} length=${spec.length}`
    case 'ordinal':
      return spec.dense === undefined ? 'with gaps' : `from ${spec.dense.from}`
    case 'raise':
      return `join keys [${spec.keys.join(', ')}] of the ${spec.side} frame are not unique`
    case 'groupBy': {
      const kind = sinkUsesOf(pipeline).find((use) => use.sink === spec)?.inputKind ?? 0
      return `${spec.shape.text}${kind > 0 ? ' (counts distinct values)' : ''} partitions=${2 ** spec.partitionBits}`
    }
    case 'groupByOutput':
      return spec.shape.text
    case 'multiplexer':
      return `store ${spec.sinkId}, ${spec.consumers} ${spec.consumers === 1 ? 'consumer' : 'consumers'}`
    case 'multiplexerOutput':
      return `store ${spec.sinkId}`
    case 'joinBuild':
      return `${spec.shape.text} partitions=${2 ** spec.partitionBits}`
    case 'joinProbe':
      return `${spec.shape.text} ${spec.reason}${spec.filterCounter < 0 ? '' : ' filter of build rows on disk'}`
    case 'joinTable':
    case 'joinPairs':
    case 'sort':
    case 'sortOutput':
      return spec.shape.text
    case 'collect':
      return ''
    case 'sinkParquet':
    case 'sinkIpc':
      return spec.temporaryPath
    default:
      return ''
  }
}
