/**
 * Lowers an optimised logical plan to pipelines. Each kind of node has its own function; what a node turns into is
 * decided beside the operator where it takes more than a few lines (lower-group-by.ts, lower-scan.ts).
 */
import { compileStage } from '@spillway/codegen'
import { type Schema, widthOf } from '@spillway/columnar'
import type { ParquetFileMeta } from '@spillway/formats'
import { exprText, type LogicalNode, namedExprText, type Sort, type TypedExpr } from '@spillway/plan'
import { SLICE_COUNTERS } from '@spillway/scheduler'
import { makeError, unreachable } from '@spillway/stdx'
import type { StageSpec } from '../operators/stage/stage.ts'
import type { PhysicalPipeline, PhysicalPlan, PlannedModule, SinkSpec, Sizing } from '../physical/physical-plan.ts'
import { pipelineFloor, sinkFloor } from '../pipeline/pipeline-floor.ts'
import { lowerGroupBy } from './lower-group-by.ts'
import { lowerJoin } from './lower-join.ts'
import { lowerGuard, lowerOrdinal } from './lower-ordinal.ts'
import { lowerScanIpc } from './lower-scan-ipc.ts'
import { lowerGenerated, lowerInMemory, lowerScanParquet } from './lower-scan.ts'
import { lowerSort } from './lower-sort.ts'
import { addFilter, addProject, addSelection, type StageDraft, type Stream } from './stream.ts'

/** What lowering needs from the engine. */
export interface LoweringContext {
  readonly sizing: Sizing
  /** Id under which the workers know an in-memory table. */
  readonly tableIdOf: (table: object) => number
  /** Tells the workers the footers of a scan. */
  readonly shareFooters: (metas: readonly ParquetFileMeta[]) => void
  /** Test only: and-mask over group hashes. */
  readonly hashMask: bigint | undefined
  /** Test only: most runs that a sort merges at a time. */
  readonly sortFanIn: number | undefined
}

/** Makes the query's last sink for its input. */
export type RootSink = (facts: {
  readonly operatorId: number
  readonly sinkId: number
  readonly schema: LogicalNode['schema']
  readonly isOrdered: boolean
  readonly batchRows: number
  readonly sizing: Sizing
}) => SinkSpec

export class Lowering {
  readonly context: LoweringContext
  readonly modules = new Map<string, PlannedModule>()
  readonly #pipelines: PhysicalPipeline[] = []
  readonly #sinks: SinkSpec[] = []
  #operators = 0
  #sinkCount = 0
  #rowCounters = 0

  constructor(context: LoweringContext) {
    this.context = context
  }

  nextOperatorId(): number {
    return this.#operators++
  }
  nextSinkId(): number {
    return this.#sinkCount++
  }
  addModule(module: PlannedModule): void {
    if (!this.modules.has(module.key)) this.modules.set(module.key, module)
  }

  /** Ends streams in sinks: one pipeline per stream, in order; the last one publishes when `publishes` says so. */
  addPipelines(
    streams: readonly Stream[],
    sinks: readonly { readonly sink: SinkSpec; readonly inputKind: number; readonly publishes: boolean }[],
  ): void {
    let sequenceBase = 0
    streams.forEach((stream, index) => {
      const isLast = index === streams.length - 1
      this.#pipelines.push({
        pipelineId: this.#pipelines.length,
        source: stream.source,
        transforms: stream.steps.map((step) => (step.kind === 'draft' ? this.#compileDraft(step) : step)),
        sinks: sinks.map((use) => ({ ...use, publishes: use.publishes && isLast })),
        isSerial: stream.isSerial,
        morselCount: stream.morselCount,
        sequenceBase,
      })
      sequenceBase += stream.morselCount
    })
    for (const { sink } of sinks) if (!this.#sinks.includes(sink)) this.#sinks.push(sink)
  }

  /** A filter that its source runs itself. */
  compileFilter(input: Schema, predicate: TypedExpr): StageSpec {
    return this.#compileDraft({ kind: 'draft', input, filter: predicate, project: undefined, output: input })
  }

  #compileDraft(draft: StageDraft): StageSpec {
    const compiled = compileStage({ input: draft.input, filter: draft.filter, project: draft.project })
    this.addModule(compiled)
    const texts: string[] = []
    if (draft.filter !== undefined) texts.push(`filter ${exprText(draft.filter)}`)
    if (draft.project !== undefined) texts.push(`project ${draft.project.map(namedExprText).join(', ')}`)
    const spec: StageSpec = {
      kind: 'stage',
      operatorId: this.nextOperatorId(),
      moduleKey: compiled.key,
      paramBytes: compiled.params.bytes,
      paramRelocations: compiled.params.relocations,
      hasFilter: draft.filter !== undefined,
      filterHeapBytes: compiled.filterHeapBytes,
      projected: draft.project === undefined ? undefined : draft.output,
      outputs: compiled.outputs.map(({ passthrough, heapBytesPerRow }) => ({ passthrough, heapBytesPerRow })),
      batchRows: this.context.sizing.batchRows,
      text: texts.join(', '),
      siteTexts: compiled.sites.map((site) => exprText(site.expr)),
    }
    return spec
  }

  lower(node: LogicalNode): readonly Stream[] {
    switch (node.kind) {
      case 'scanParquet':
        return [lowerScanParquet(this, node)]
      case 'scanIpc':
        return [lowerScanIpc(this, node)]
      case 'inMemory':
        return [lowerInMemory(this, node)]
      case 'generated':
        return [lowerGenerated(this, node)]
      case 'filter':
        return this.lower(node.input).map((stream) => addFilter(stream, node.predicate))
      case 'project':
        return this.lower(node.input).map((stream) => addProject(stream, node.exprs, node.schema))
      case 'groupBy':
        return [lowerGroupBy(this, node)]
      case 'slice':
        return this.#slice(this.lower(node.input), node.offset, node.length)
      case 'sort':
        return this.#lowerSort(node)
      case 'concat':
        return node.inputs.flatMap((input) => this.lower(input).map((stream) => addSelection(stream, node.schema)))
      case 'ordinal':
        return lowerOrdinal(this, node)
      case 'guard':
        return lowerGuard(this, node)
      case 'join':
        return lowerJoin(this, node)
      default:
        return unreachable(node)
    }
  }

  /** A counter of rows that all workers and pipelines share. */
  nextRowCounter(): number {
    if (this.#rowCounters >= SLICE_COUNTERS) {
      throw makeError(
        'INVALID_PLAN',
        `Too many slices and row indexes in one query: at most ${SLICE_COUNTERS}. Collect in between.`,
      )
    }
    return this.#rowCounters++
  }

  #lowerSort(node: Sort): readonly Stream[] {
    const stream = lowerSort(this, node)
    return node.limit === undefined ? [stream] : this.#slice([stream], 0, node.limit)
  }

  #slice(streams: readonly Stream[], offset: number, length: number): readonly Stream[] {
    const counter = this.nextRowCounter()
    return streams.map((stream) => ({
      ...stream,
      isSerial: stream.isSerial || stream.isOrdered,
      steps: [
        ...stream.steps,
        {
          kind: 'slice',
          operatorId: this.nextOperatorId(),
          offset,
          length,
          widths: stream.schema.fields.map((field) => widthOf(field.type)),
          counter,
        },
      ],
    }))
  }

  finish(root: LogicalNode, makeSink: RootSink): PhysicalPlan {
    const streams = this.lower(root)
    const isOrdered = streams.every((stream) => stream.isOrdered)
    const { sizing } = this.context
    const sink = makeSink({
      operatorId: this.nextOperatorId(),
      sinkId: this.nextSinkId(),
      schema: root.schema,
      isOrdered,
      batchRows: sizing.batchRows,
      sizing,
    })
    this.addPipelines(streams, [{ sink, inputKind: 0, publishes: true }])
    const sinkPages = this.#sinks.reduce((sum, each) => sum + sinkFloor(each).guaranteedPages, 0)
    const pipelinePages = Math.max(...this.#pipelines.map((each) => pipelineFloor(each).guaranteedPages))
    const floorPagesPerWorker = sinkPages + pipelinePages
    return {
      schema: root.schema,
      pipelines: this.#pipelines,
      modules: [...this.modules.values()],
      sizing,
      floorPages: floorPagesPerWorker * sizing.threads,
      floorPagesPerWorker,
      isOrdered,
    }
  }
}

export function lowerPlan(root: LogicalNode, makeSink: RootSink, context: LoweringContext): PhysicalPlan {
  return new Lowering(context).finish(root, makeSink)
}
