/**
 * The pages that a plan is guaranteed, by lifetime. A sink's floor is needed from the first pipeline that feeds it
 * until it is published; then its buffers are gone, and what it gathered can be on disk. So a worker needs
 *
 *   region + max over pipelines p of (pages of p + pages of the sinks that are open in p)
 *
 * The region holds all buffers, at places that are planned here: buffers whose lifetimes do not meet share a place. It
 * is taken once, when the query starts, because contiguous pages are hard to find later among those of published rows.
 * In it lie residents, too, from the query's start to its end: tables of published partitions, and the buffers in which
 * a worker spills what was published and is not read yet ("idle").
 */
import { assert } from '@spillway/stdx'
import {
  operatorsOf,
  type PhysicalPipeline,
  type PlanFloor,
  type SinkPlace,
  type SinkSpec,
  sinkUsesOf,
} from '../physical/physical-plan.ts'
import { statesReadBy } from '../physical/operator-states.ts'
import { type Floor, pipelineFloor, sinkFloor, storeFloor } from '../pipeline/pipeline-floor.ts'
import { sinkOf } from '../pipeline/worker-operators.ts'

/** When a sink is open, published and read; positions of pipelines. */
interface Life {
  readonly sink: SinkSpec
  readonly opens: number
  /** The last pipeline in which it holds its floor. */
  readonly closes: number
  /** The pipelines between these two leave its state alone. */
  readonly complete: number
  readonly read: number
}

/** @param canSpill what is published need not stay in memory; otherwise it keeps its sink's floor */
export function planFloor(pipelines: readonly PhysicalPipeline[], canSpill: boolean): PlanFloor {
  const lives = livesOf(pipelines)
  const isIdle = ({ complete, read }: Life, at: number): boolean => complete < at && at < read
  const idle = pipelines.map((_, at) => lives.filter((life) => isIdle(life, at)).map(({ sink }) => sink.sinkId))
  const stores = lives.filter((life) => pipelines.some((_, at) => isIdle(life, at))).map(({ sink }) => storeFloor(sink))
  const storePages = Math.max(0, ...stores)
  const region = new Region(pipelines.length - 1)
  const storeOffset = region.place(storePages, 0, pipelines.length - 1)
  const residents = new Map<number, number>()
  for (const { sink } of lives) {
    const pages = sinkOf(sink).residentPages?.(sink) ?? 0
    if (pages > 0) residents.set(sink.sinkId, region.place(pages, 0, pipelines.length - 1))
  }
  // Those that stay longest first, so that what comes and goes finds the rest in one piece.
  const longestFirst = [...lives].sort((a, b) => b.closes - b.opens - (a.closes - a.opens))
  const sinks = longestFirst.map(({ sink, opens, closes }): SinkPlace => {
    const offset = region.place(sinkFloor(sink).workspacePages, opens, closes)
    return { sinkId: sink.sinkId, offset, resident: residents.get(sink.sinkId) ?? -1 }
  })
  const floors = pipelines.map(pipelineFloor)
  const offsets = floors.map(({ workspacePages }, at) => region.place(workspacePages, at, at))
  const beyond = (floor: Floor): number => floor.guaranteedPages - floor.workspacePages
  const need = floors.map((floor, at) => {
    const open = lives.filter(({ opens, closes }) => opens <= at && (at <= closes || !canSpill))
    return open.reduce((sum, { sink }) => sum + beyond(sinkFloor(sink)), beyond(floor))
  })
  const pagesFrom = need.map((_, at) => region.pages + Math.max(...need.slice(at)))
  return {
    regionPages: region.pages,
    store: { offset: storeOffset, pages: storePages },
    sinks,
    offsets,
    pagesFrom,
    idle,
    spare: pipelines.map((_, at) => region.largestGap(at)),
  }
}

/** Pages that several take at different times; times are positions of pipelines. */
class Region {
  readonly #taken: { readonly offset: number; readonly end: number; readonly from: number; readonly to: number }[] = []
  readonly #lastTime: number
  pages = 0

  constructor(lastTime: number) {
    this.#lastTime = lastTime
  }

  /** The lowest place for `pages` pages from one time to another, both included. */
  place(pages: number, from: number, to: number): number {
    assert(0 <= from && from <= to && to <= this.#lastTime, 'buffers live while pipelines run')
    let offset = 0
    for (const other of this.#taken.filter((each) => each.from <= to && from <= each.to)) {
      if (offset + pages <= other.offset) break
      offset = Math.max(offset, other.end)
    }
    this.#taken.push({ offset, end: offset + pages, from, to })
    this.#taken.sort((a, b) => a.offset - b.offset)
    this.pages = Math.max(this.pages, offset + pages)
    return offset
  }

  /** The longest run of pages that nobody takes at a time. */
  largestGap(time: number): { readonly offset: number; readonly pages: number } {
    let gap = { offset: 0, pages: 0 }
    let from = 0
    const taken = this.#taken.filter((each) => each.from <= time && time <= each.to)
    for (const { offset, end } of [...taken, { offset: this.pages, end: this.pages }]) {
      if (offset - from > gap.pages) gap = { offset: from, pages: offset - from }
      from = Math.max(from, end)
    }
    return gap
  }
}

function livesOf(pipelines: readonly PhysicalPipeline[]): Life[] {
  const lives = new Map<number, Life>()
  const last = pipelines.length - 1
  pipelines.forEach((pipeline, at) => {
    for (const { sink, publishes } of sinkUsesOf(pipeline)) {
      const { sinkId } = sink
      const life = lives.get(sinkId) ?? { sink, opens: at, closes: last, complete: last, read: last }
      // What has no published state to leave behind keeps its buffers until the query ends.
      const ends = publishes && sinkOf(sink).residentPages !== undefined
      lives.set(sinkId, ends ? { ...life, closes: at, ...readersOf(pipelines, sink, at) } : life)
    }
  })
  return [...lives.values()]
}

/** A join's directories belong to its state: it is complete when they are. */
function readersOf(pipelines: readonly PhysicalPipeline[], { sinkId }: SinkSpec, published: number) {
  const reads = (at: number): boolean =>
    pipelines[at] !== undefined && operatorsOf(pipelines[at]).some((spec) => statesReadBy(spec).includes(sinkId))
  let complete = published
  while (pipelines[complete + 1]?.source.kind === 'joinTable' && reads(complete + 1)) complete += 1
  let read = complete + 1
  while (read < pipelines.length && !reads(read)) read += 1
  return { complete, read }
}
