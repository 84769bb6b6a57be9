/**
 * The engine's side of the worker loop: opens queries and pipelines, keeps sinks between the pipelines that feed them,
 * and frees everything when a query closes.
 */
import { type TableMessage, tableOfMessage } from '@spillway/columnar'
import { type ParquetFileMeta, rememberFileMeta } from '@spillway/formats'
import { Reservation, type Workspace } from '@spillway/memory'
import type { PipelineHost, RunningPipeline, StartPipeline, ToWorker } from '@spillway/scheduler'
import { assert, unreachable } from '@spillway/stdx'
import {
  type OperatorBase,
  type PhysicalPipeline,
  chainsOf,
  type PipelineChain as PipelineChainSpec,
  type SinkSpec,
} from '../physical/physical-plan.ts'
import type { OpenContext } from '../pipeline/contracts.ts'
import { MorselClaims } from '../pipeline/morsel-claims.ts'
import { type Metered, OperatorMeter } from '../pipeline/operator-meter.ts'
import { type OpenSink, PipelineChain } from '../pipeline/pipeline-chain.ts'
import { branchDescriptorBytes, type Floor, pipelineFloor, sinkFloor } from '../pipeline/pipeline-floor.ts'
import { PullLoop } from '../pipeline/pull-loop.ts'
import { sinkOf, sourceOf, transformOf } from '../pipeline/worker-operators.ts'
import { OpeningPipeline } from './opening-pipeline.ts'
import { type PostOutput, QueryContext, type QuerySetup } from './query-context.ts'
import type { WorkerState } from './worker-state.ts'

/** What `StartPipeline.pipeline` carries. */
export interface PipelineStart {
  readonly pipeline: PhysicalPipeline
  /** Global states that the pipeline reads: sink id → what each worker published. */
  readonly published: readonly { readonly sinkId: number; readonly states: readonly unknown[] }[]
  /** Sinks whose published state nobody reads now: any worker may spill it. */
  readonly idle: readonly number[]
  /** Most pages one worker may hold in the pipeline (merges) and in each sink. */
  readonly pipelinePagesMax: number
  readonly sinkPagesMax: number
}

interface OpenQuery {
  readonly context: QueryContext
  readonly sinks: Map<number, OpenSink>
  /** The pipeline that feeds the sinks now. */
  loop: PullLoop | undefined
  readonly reservations: Reservation[]
}

/** Memory of a pipeline or of a sink. */
interface Area {
  readonly reservation: Reservation
  readonly workspace: Workspace
}

/** Where an operator stands. */
interface ChainOfPipeline {
  readonly pipeline: PhysicalPipeline
  readonly chain: PipelineChainSpec
}

/** What an operator is lent that depends on where it stands. */
type Lent = Pick<OpenContext, 'makeRoom' | 'writePending' | 'askBack' | 'resident'>

type HostMessage = Exclude<ToWorker, StartPipeline | { kind: 'shutdown' | 'rest' | 'describe' }>

export class EngineHost implements PipelineHost {
  readonly #state: WorkerState
  readonly #post: (message: unknown, transfer: ArrayBuffer[]) => void
  readonly #queries = new Map<number, OpenQuery>()

  constructor(state: WorkerState, post: (message: unknown, transfer: ArrayBuffer[]) => void) {
    this.#state = state
    this.#post = post
  }

  handle(message: HostMessage): void {
    switch (message.kind) {
      case 'arena':
        this.#state.attachArena(message.arena)
        return
      case 'openQuery':
        this.#openQuery(message.queryId, message.query as QuerySetup)
        return
      case 'closeQuery':
        this.closeQuery(message.queryId)
        return
      case 'shareTable':
        this.#state.tables.set(message.tableId, tableOfMessage(message.table as TableMessage))
        return
      case 'dropTable':
        this.#state.tables.delete(message.tableId)
        return
      case 'shareFooter':
        rememberFileMeta(message.footer as ParquetFileMeta)
        return
      case 'collectGarbage':
        this.#state.collectGarbage()
        this.#answer(message.ticket)
        return
      case 'ping':
        this.#answer(message.ticket)
        return
      default:
        unreachable(message)
    }
  }

  #answer(ticket: number): void {
    this.#post({ kind: 'answered', worker: this.#state.worker, ticket }, [])
  }

  #openQuery(queryId: number, setup: QuerySetup): void {
    const { worker } = this.#state
    const post: PostOutput = (sinkId, output, transfer) =>
      this.#post({ kind: 'output', worker, queryId, sinkId, output }, transfer)
    const slack = this.#queries.size === 0 ? Number.POSITIVE_INFINITY : this.#state.heapSlackBytes
    this.#state.heapSlackBytes = Math.min(slack, setup.heapSlackBytes)
    this.#queries.set(queryId, {
      context: new QueryContext(queryId, setup, this.#state, post),
      sinks: new Map(),
      loop: undefined,
      reservations: [],
    })
    this.#state.openQueries = this.#queries.size
  }

  start(message: StartPipeline): RunningPipeline {
    const query = this.#queries.get(message.queryId)
    assert(query !== undefined, 'a query is opened before its pipelines start')
    const { context } = query
    const start = message.pipeline as PipelineStart
    for (const module of message.modules) context.addInstance(module.key, this.#state.instantiate(module))
    for (const { sinkId, states } of start.published) context.setPublished(sinkId, states)
    context.startPipeline(start.pipeline.pipelineId, start.idle)
    query.loop = undefined
    return new OpeningPipeline({
      queryId: message.queryId,
      pipelineId: message.pipelineId,
      context,
      open: () => this.#open(query, start, message),
    })
  }

  /** Memory of a pipeline, or of a sink that opens: a place in the query's region, and pages beyond. */
  #area(
    query: OpenQuery,
    kinds: readonly string[],
    floor: Floor,
    offset: number,
    pagesMax: number,
    isPressed: () => boolean,
  ): Area {
    const reservation = this.#reserve(query, kinds, floor.guaranteedPages, pagesMax, isPressed)
    reservation.useRegion(floor.workspacePages)
    return { reservation, workspace: query.context.workspaceAt(offset, floor.workspacePages) }
  }

  #open(query: OpenQuery, start: PipelineStart, message: StartPipeline): PullLoop {
    const { context } = query
    const { pipeline } = start
    const claims = new MorselClaims(context.control, context.slot, pipeline.morselCount, message.pulls)
    const offset = context.setup.floor.offsets[pipeline.pipelineId] as number
    const chains = chainsOf(pipeline)
    const kinds = [pipeline.source.kind, ...chains.flatMap(({ transforms }) => transforms.map(({ kind }) => kind))]
    const own = this.#area(query, kinds, pipelineFloor(pipeline), offset, start.pipelinePagesMax, () => false)
    const { reservation, workspace } = own
    let loop: PullLoop | undefined
    const forSource: Lent = {
      makeRoom: (pages) => loop?.makeRoom(pages) ?? 0,
      writePending: (pages) => loop?.writePending(pages) ?? 0,
      askBack: (pages) => loop?.askBack(pages) ?? 0,
      resident: 0,
    }
    const forTransform = { ...forSource, makeRoom: (pages: number) => loop?.makeRoomForTaker(pages, undefined) ?? 0 }
    const opener = (chain: PipelineChainSpec, lent: Lent) =>
      this.#opener(context, reservation, workspace, { pipeline, chain }, lent)
    const source = opener(pipeline, forSource)(pipeline.source, (with_) =>
      sourceOf(pipeline.source).open(pipeline.source, with_, claims),
    )
    const stores = storesOf(query)
    const openChain = (chain: PipelineChainSpec, inputColumns: number, inputBase: number): PipelineChain => {
      const open = opener(chain, forTransform)
      const own = inputColumns === 0 ? 0 : workspace.take(branchDescriptorBytes(inputColumns))
      const transforms = chain.transforms.map((spec) => open(spec, (with_) => transformOf(spec).open(spec, with_)))
      const sinks = chain.sinks.map((use): OpenSink => {
        const sink =
          query.sinks.get(use.sink.sinkId) ?? this.#openSink(query, use.sink, { pipeline, chain }, start.sinkPagesMax)
        sink.operator.setClaims(claims)
        return { ...sink, inputKind: use.inputKind, publishes: use.publishes }
      })
      const branches = chain.branches.map((branch) => openChain(branch, branch.inputColumns, chain.sequenceBase))
      const sequenceShift = chain.sequenceBase - inputBase
      return new PipelineChain({ context, transforms, sinks, branches, descriptor: own, sequenceShift })
    }
    const chain = openChain(pipeline, 0, pipeline.sequenceBase)
    loop = new PullLoop({
      queryId: message.queryId,
      pipelineId: message.pipelineId,
      context,
      source,
      chain,
      stores,
      exhaust: () => claims.exhaust(),
      close: () => {
        workspace.check('the pipeline')
        reservation.leaveRegion(workspace.pages)
      },
    })
    query.loop = loop
    return loop
  }

  #reserve(
    query: OpenQuery,
    kinds: readonly string[],
    guaranteedPages: number,
    maxPages: number,
    isPressed: () => boolean,
  ): Reservation {
    const { context } = query
    const { testing, owner } = context.setup
    const reservation: Reservation = new Reservation({
      arena: context.arena,
      owner,
      guaranteedPages,
      maxPages: Math.max(maxPages, guaranteedPages),
      onChange: (pages) => context.noteUsedPages(reservation, pages),
      isPressed,
      shouldRefuse: () => {
        if (testing.refuseProbability > 0 && Math.random() < testing.refuseProbability) return true
        const fault = testing.reservationFault
        if (fault === undefined || (fault.operator !== undefined && !kinds.includes(fault.operator))) return false
        const asked = Atomics.add(new Int32Array(fault.counter), 0, 1)
        return fault.sticky ? asked >= fault.at : asked === fault.at
      },
    })
    query.reservations.push(reservation)
    return reservation
  }

  #opener(
    context: QueryContext,
    reservation: Reservation,
    workspace: Workspace,
    { pipeline, chain }: ChainOfPipeline,
    lent: Lent,
  ) {
    return <T>(spec: OperatorBase, build: (context: OpenContext) => T): Metered<T> => {
      const meter = new OperatorMeter(spec.operatorId)
      const operator = build({
        query: context,
        arena: context.arena,
        control: context.control,
        reservation,
        workspace,
        ...lent,
        meter,
        sequenceBase: chain.sequenceBase,
        morselCount: pipeline.morselCount,
      })
      return { operator, meter }
    }
  }

  #openSink(query: OpenQuery, spec: SinkSpec, place: ChainOfPipeline, pagesMax: number): OpenSink {
    // Sinks gather rows and spill: they leave what is free to a query that waits. A merge is over sooner with memory.
    const isPressed = (): boolean => this.#state.control.pressure > 0
    const { offset } = query.context.placeOf(spec.sinkId)
    const area = this.#area(query, [spec.kind], sinkFloor(spec), offset, pagesMax, isPressed)
    // A sink asks itself first and knows its state better.
    const lent: Lent = {
      makeRoom: (pages) => query.loop?.makeRoomForTaker(pages, spec.sinkId) ?? 0,
      writePending: (pages) => query.loop?.writePending(pages) ?? 0,
      askBack: (pages) => query.loop?.askBack(pages) ?? 0,
      resident: query.context.residentOf(spec.sinkId),
    }
    const open = this.#opener(query.context, area.reservation, area.workspace, place, lent)
    const { operator, meter } = open(spec, (with_) => sinkOf(spec).open(spec, with_))
    const sink: OpenSink = { operator, meter, sinkId: spec.sinkId, inputKind: 0, publishes: false }
    query.sinks.set(spec.sinkId, sink)
    return sink
  }

  /** Pages are freed by the main thread, by owner, once every worker has let go. */
  closeQuery(queryId: number): void {
    const query = this.#queries.get(queryId)
    if (query === undefined) return
    this.#queries.delete(queryId)
    this.#state.openQueries = this.#queries.size
    for (const { operator } of query.sinks.values()) operator.close()
    for (const reservation of query.reservations) reservation.close()
    query.context.close()
    this.#state.trimHeap()
  }
}

/** Sinks with published state that can be spilled while the running pipeline does. */
function storesOf(query: OpenQuery): OpenSink[] {
  return [...query.sinks.values()].filter(({ operator }) => operator.keepsSpilling === true)
}
