/** Decides for each shared stream who reads it when, and puts pipelines in the place of taps (see shared-group.ts). */
import { assert } from '@spillway/stdx'
import type { MultiplexerOutputSpec, MultiplexerSpec } from '../operators/multiplexer/multiplexer.ts'
import type { Lowering } from './lower-plan.ts'
import {
  chooseFusion,
  type DraftPipeline,
  isOneScanCheaper,
  narrowingSteps,
  type SharedGroup,
  type Tap,
} from './shared-group.ts'
import type { Stream } from './stream.ts'

/** Outer groups first: what they read of inner ones is known only then. */
export function resolveTaps(lowering: Lowering): void {
  for (const group of [...lowering.groups].reverse()) {
    group.streams.forEach((stream, index) => {
      const consumers = lowering.drafts.filter((draft) => isTapOf(draft, group, index))
      if (consumers.length > 0) new TapResolution(lowering, group, stream, consumers).run()
    })
  }
}

function isTapOf({ source }: DraftPipeline, group: SharedGroup, index: number): boolean {
  return source.kind === 'tap' && source.group === group && source.index === index
}

const tapOf = ({ source }: DraftPipeline): Tap => {
  assert(source.kind === 'tap', 'a consumer of a shared stream taps it')
  return source
}

class TapResolution {
  readonly #lowering: Lowering
  readonly #group: SharedGroup
  readonly #stream: Stream
  readonly #consumers: readonly DraftPipeline[]

  constructor(lowering: Lowering, group: SharedGroup, stream: Stream, consumers: readonly DraftPipeline[]) {
    this.#lowering = lowering
    this.#group = group
    this.#stream = stream
    this.#consumers = consumers
  }

  run(): void {
    const { drafts } = this.#lowering
    const { isCheap, input } = this.#group
    const { position, fused } = chooseFusion(drafts, this.#consumers, this.#stream.isSerial, isCheap)
    if (isCheap) {
      const parts = fused.map((consumer) => tapOf(consumer).own)
      const together = fused.length > 1 && isOneScanCheaper(this.#lowering.context.files, input, parts) ? fused : []
      const alone = this.#consumers.filter((consumer) => !together.includes(consumer))
      // Last: a scan of its own may tap a stream that others share, too.
      if (together.length > 0) this.#fuse(position, together, [])
      for (const consumer of alone) this.#readAgain(consumer)
      return
    }
    const late = this.#consumers.filter((consumer) => !fused.includes(consumer))
    const [only] = fused
    if (late.length === 0 && fused.length === 1 && only !== undefined) this.#replace(only, this.#stream)
    else this.#fuse(position, fused, late)
  }

  /** The consumer's own scan. */
  #readAgain(consumer: DraftPipeline): void {
    const { own, index } = tapOf(consumer)
    const stream = this.#lowering.lower(own)[index]
    assert(stream !== undefined, 'a subplan has as many streams each time it is lowered')
    this.#replace(consumer, stream)
  }

  #replace(consumer: DraftPipeline, stream: Stream): void {
    consumer.source = stream.source
    consumer.steps = [...stream.steps, ...consumer.steps]
    consumer.isSerial ||= stream.isSerial
    consumer.morselCount = stream.morselCount
  }

  /** One pipeline with a branch per consumer; for those that read later, a multiplexer is one more. */
  #fuse(position: number, fused: readonly DraftPipeline[], late: readonly DraftPipeline[]): void {
    const stream = this.#stream
    const { drafts } = this.#lowering
    const { source, steps, isSerial, morselCount } = stream
    for (const consumer of fused) {
      consumer.steps = [...narrowingSteps(stream, tapOf(consumer)), ...consumer.steps]
      consumer.inputColumns = stream.schema.fields.length
      consumer.morselCount = morselCount
    }
    const sinks = late.length === 0 ? [] : [{ sink: this.#store(late), inputKind: 0, publishes: true }]
    const host = {
      source,
      steps,
      sinks,
      branches: fused,
      inputColumns: 0,
      isSerial,
      morselCount,
      sequenceBase: this.#sequenceBase(),
    }
    drafts.splice(position, 0, host)
    for (const consumer of fused) drafts.splice(drafts.indexOf(consumer), 1)
  }

  /** Behind the group's streams before this one: operators that number rows go by it. */
  #sequenceBase(): number {
    const { streams } = this.#group
    return streams.slice(0, streams.indexOf(this.#stream)).reduce((sum, { morselCount }) => sum + morselCount, 0)
  }

  #store(late: readonly DraftPipeline[]): MultiplexerSpec {
    const lowering = this.#lowering
    const { schema, morselCount } = this.#stream
    const { batchRows } = lowering.context.sizing
    const firstSequence = this.#sequenceBase()
    const store = { sinkId: lowering.nextSinkId(), schema, batchRows }
    for (const consumer of late) {
      const operatorId = lowering.nextOperatorId()
      consumer.source = {
        kind: 'multiplexerOutput',
        operatorId,
        firstSequence,
        ...store,
      } satisfies MultiplexerOutputSpec
      consumer.morselCount = morselCount
    }
    return { kind: 'multiplexer', operatorId: lowering.nextOperatorId(), ...store, consumers: late.length }
  }
}
