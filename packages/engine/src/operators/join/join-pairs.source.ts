/** Worker side of phase 4: claims partitions, joins spilled pairs, and puts out what is left of the build side. */
import type { SpillTotals, WorkspaceSize } from '@spillway/memory'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import { RowCursor } from '../group-by/row-chain.ts'
import { buildRest, type JoinPairsSpec } from './join.ts'
import type { PublishedProbe } from './join-probe.transform.ts'
import { PairJoin, pairJoinFloorPages, sizePairJoin } from './pair-join.ts'
import { PublishedBuild } from './published-build.ts'
import { SpilledFilter } from './spilled-filter.ts'

export function sizeJoinPairs(spec: JoinPairsSpec, size: WorkspaceSize): void {
  sizePairJoin(spec, size)
}

export function joinPairsFloorPages(spec: JoinPairsSpec): number {
  return pairJoinFloorPages(spec)
}

export function openJoinPairs(spec: JoinPairsSpec, context: OpenContext, claims: MorselClaims): Source {
  return new JoinPairsSource(spec, context, claims)
}

class JoinPairsSource implements Source {
  sequence = 0
  isParked = false
  batch = 0
  readonly #spec: JoinPairsSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #published: PublishedBuild
  readonly #pairs: PairJoin
  #work: Generator<'working' | number> | undefined

  constructor(spec: JoinPairsSpec, context: OpenContext, claims: MorselClaims) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#published = new PublishedBuild(context, spec)
    this.#pairs = new PairJoin(spec, context)
    new SpilledFilter(context, spec.filterCounter).drop()
  }

  pull(): PullStatus {
    if (this.#work === undefined) {
      const partition = this.#claims.claim()
      if (partition < 0) return 'finished'
      this.sequence = this.#context.sequenceBase + partition
      this.#pairs.startMorsel(this.sequence)
      this.#work = this.#partition(partition)
    }
    const { value, done } = this.#work.next()
    if (done === true) {
      this.#work = undefined
      return 'morselEnd'
    }
    if (value === 'working') return 'working'
    this.batch = value
    return 'batch'
  }

  *#partition(partition: number): Generator<'working' | number> {
    const published = this.#published
    if (published.entry(partition).isSpilled) {
      const build = published.files(partition)
      const probe = this.#probeFiles(partition)
      published.leaveDirectMap()
      published.setEmpty(partition)
      yield* this.#pairs.run({
        label: String(partition),
        depth: 0,
        hashBits: this.#spec.partitionBits,
        build,
        probe,
        isStuck: false,
      })
      return
    }
    const rest = buildRest(this.#spec.shape)
    if (rest !== undefined) {
      const { kernels } = this.#context.arena
      for (const chain of published.chains(partition)) {
        const wants = rest === 'matched' ? 'marked' : 'live'
        const cursor = new RowCursor(kernels, this.#spec.shape.build.layout, chain, wants)
        yield* this.#pairs.putBuildRows('build', cursor)
      }
    }
    published.free(partition)
  }

  #probeFiles(partition: number): { path: string; totals: SpillTotals }[] {
    const states = this.#context.query.published(this.#spec.probeId) as readonly PublishedProbe[]
    return states.flatMap(({ files }) => files.filter((file) => file.partition === partition))
  }

  spill(): number {
    return 0
  }

  close(): void {
    this.#pairs.close()
  }
}
