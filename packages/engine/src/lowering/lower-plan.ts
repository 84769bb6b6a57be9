/**
 * Lowers an optimised logical plan to pipelines. Each kind of node has its own function; what a node turns into is
 * decided beside the operator where it takes more than a few lines (lower-group-by.ts, lower-scan.ts).
 */
import { compileStage } from '@spillway/codegen'
import { type Schema, widthOf } from '@spillway/columnar'
import type { ParquetFileMeta } from '@spillway/formats'
import { exprText, type LogicalNode, namedExprText, type Shared, type Sort, type TypedExpr } from '@spillway/plan'
import { JOIN_COUNTERS, queryCounter, SLICE_COUNTERS, TOP_COUNTERS } from '@spillway/scheduler'
import { assert, makeError, unreachable } from '@spillway/stdx'
import type { StageSpec } from '../operators/stage/stage.ts'
import type {
  PhysicalPipeline,
  PhysicalPlan,
  PhysicalRoot,
  PipelineBranch,
  PlannedModule,
  SinkSpec,
  SinkUse,
  Sizing,
  TransformSpec,
} from '../physical/physical-plan.ts'
import { findGatheringProbes, markGatheringProbes } from './gathering-probes.ts'
import { lowerGroupBy } from './lower-group-by.ts'
import { lowerJoin } from './lower-join.ts'
import { lowerGuard, lowerOrdinal } from './lower-ordinal.ts'
import { lowerScanIpc } from './lower-scan-ipc.ts'
import { lowerGenerated, lowerInMemory, lowerScanParquet } from './lower-scan.ts'
import { type DraftPipeline, isCheapToRead, type SharedGroup } from './shared-group.ts'
import { planFloor } from './plan-floor.ts'
import type { PlannedFiles } from './planned-files.ts'
import { resolveTaps } from './resolve-taps.ts'
import { addFilter, addProject, addSelection, mergeDrafts, type StageDraft, type Stream } from './stream.ts'
import { lowerSort } from './lower-sort.ts'

/** What lowering needs from the engine. */
export interface LoweringContext {
  readonly sizing: Sizing
  readonly files: PlannedFiles
  /** Id under which the workers know an in-memory table. */
  readonly tableIdOf: (table: object) => number
  /** Tells the workers the footers of a scan. */
  readonly shareFooters: (metas: readonly ParquetFileMeta[]) => void
  readonly canSpill: boolean
  /** Test only: and-mask over group hashes. */
  readonly hashMask: bigint | undefined
  /** Test only: most runs that a sort merges at a time. */
  readonly sortFanIn: number | undefined
  /** Test only: false = joins make no filters. */
  readonly joinFilters: boolean
}

/** Makes the query's last sink for its input. */
export type RootSink = (facts: {
  readonly operatorId: number
  readonly sinkId: number
  readonly schema: LogicalNode['schema']
  readonly isOrdered: boolean
  readonly batchRows: number
  readonly sizing: Sizing
  /** Which of the query's outputs it is. */
  readonly outputIndex: number
}) => SinkSpec

/** One of the plans of a query, and what it ends in. */
export interface LoweringTarget {
  readonly plan: LogicalNode
  readonly makeSink: RootSink
}

export class Lowering {
  readonly context: LoweringContext
  readonly modules = new Map<string, PlannedModule>()
  /** In the order in which they will run. */
  readonly drafts: DraftPipeline[] = []
  /** Drafts that feed one input of their sinks, in the order of its rows. */
  readonly #feeds: (readonly DraftPipeline[])[] = []
  /** Subplans that several places read, inner ones first. */
  readonly groups: SharedGroup[] = []
  #operators = 0
  #sinkCount = 0
  #rowCounters = 0
  #tops = 0
  #joins = 0

  constructor(context: LoweringContext) {
    this.context = context
  }

  nextOperatorId(): number {
    return this.#operators++
  }
  /** Counter for the running bound of a top-k; -1 = all are taken. */
  nextTopCounter(): number {
    return this.#tops < TOP_COUNTERS ? queryCounter.topBound + this.#tops++ : -1
  }
  /** Counter for the filter of a join's rows on disk; -1 = there will be none. */
  nextFilterCounter(): number {
    return this.context.joinFilters && this.#joins < JOIN_COUNTERS ? this.#joins++ : -1
  }
  nextSinkId(): number {
    return this.#sinkCount++
  }
  addModule(module: PlannedModule): void {
    if (!this.modules.has(module.key)) this.modules.set(module.key, module)
  }

  /** Ends streams in sinks: one pipeline per stream, in order; the last one publishes when `publishes` says so. */
  addPipelines(streams: readonly Stream[], sinks: readonly SinkUse[]): void {
    const feed = streams.map((stream, index): DraftPipeline => {
      const isLast = index === streams.length - 1
      return {
        source: stream.source,
        // What stands behind a tap may still be merged with what comes before it.
        steps: stream.source.kind === 'tap' ? stream.steps : stream.steps.map((step) => this.#compile(step)),
        sinks: sinks.map((use) => ({ ...use, publishes: use.publishes && isLast })),
        branches: [],
        inputColumns: 0,
        isSerial: stream.isSerial,
        morselCount: stream.morselCount,
        sequenceBase: 0,
      }
    })
    this.drafts.push(...feed)
    this.#feeds.push(feed)
  }

  #compile(step: StageDraft | TransformSpec): TransformSpec {
    return step.kind === 'draft' ? this.#compileDraft(step) : step
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
      case 'shared':
        return this.#lowerShared(node)
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

  /** The streams of a subplan that is lowered once. */
  #lowerShared(node: Shared): readonly Stream[] {
    let group = this.groups.find(({ input }) => input === node.input)
    if (group === undefined) {
      group = { input: node.input, streams: this.lower(node.input), isCheap: isCheapToRead(node.input) }
      this.groups.push(group)
    }
    const { input, streams } = group
    const tapped = group
    return streams.map((stream, index): Stream => {
      const source = { kind: 'tap', group: tapped, index, own: node.own } as const
      return { ...stream, source, steps: [], schema: node.own === input ? stream.schema : node.own.schema }
    })
  }

  #endRoot({ plan, makeSink }: LoweringTarget, outputIndex: number, outputs: number): PhysicalRoot {
    const streams = this.lower(plan)
    const isOrdered = streams.every((stream) => stream.isOrdered)
    const { sizing } = this.context
    const output = { ...sizing.output, encoderBytes: sizing.output.encoderBytes / outputs }
    const sink = makeSink({
      operatorId: this.nextOperatorId(),
      sinkId: this.nextSinkId(),
      schema: plan.schema,
      isOrdered,
      batchRows: sizing.batchRows,
      sizing: { ...sizing, output },
      outputIndex,
    })
    this.addPipelines(streams, [{ sink, inputKind: 0, publishes: true }])
    return { sinkId: sink.sinkId, operatorId: sink.operatorId, isOrdered }
  }

  finish(targets: readonly LoweringTarget[]): PhysicalPlan {
    const roots = targets.map((target, index) => this.#endRoot(target, index, targets.length))
    resolveTaps(this)
    for (const feed of this.#feeds) {
      let sequenceBase = 0
      for (const draft of feed) {
        draft.sequenceBase = sequenceBase
        sequenceBase += draft.morselCount
      }
    }
    const chained = this.drafts.map((draft, pipelineId): PhysicalPipeline => {
      const { source, isSerial, morselCount } = draft
      assert(source.kind !== 'tap', 'every tap is resolved')
      return { ...this.#chainOf(draft), pipelineId, source, isSerial, morselCount }
    })
    const gathering = findGatheringProbes(chained)
    const pipelines = chained.map((pipeline) => markGatheringProbes(pipeline, gathering))
    const { sizing } = this.context
    const floor = planFloor(pipelines, this.context.canSpill)
    const floorPagesPerWorker = floor.pagesFrom[0] ?? 0
    return {
      roots,
      pipelines,
      modules: [...this.modules.values()],
      sizing,
      floorPages: floorPagesPerWorker * sizing.threads,
      floorPagesPerWorker,
      floor,
    }
  }

  #chainOf({ steps, sinks, branches, inputColumns, sequenceBase }: DraftPipeline): PipelineBranch {
    const transforms = mergeDrafts(steps).map((step) => this.#compile(step))
    return { transforms, sinks, branches: branches.map((each) => this.#chainOf(each)), inputColumns, sequenceBase }
  }
}

export function lowerPlans(targets: readonly LoweringTarget[], context: LoweringContext): PhysicalPlan {
  return new Lowering(context).finish(targets)
}
