/**
 * The pages that a plan is guaranteed, by lifetime. A sink's floor is needed from the first pipeline that feeds it until
 * it is published; then its buffers are gone, and what it gathered can be on disk. So a plan needs
 *
 *   residents + max over pipelines p of (floor of p + floors of the sinks that are open in p)
 *
 * Residents are small and lie at one place from the query's start to its end: tables of published partitions, and one
 * area of buffers in which a worker spills what was published and is not read yet ("idle").
 */
import {
  operatorsOf,
  type PhysicalPipeline,
  type PlanFloor,
  type Resident,
  type SinkSpec,
  sinkUsesOf,
} from '../physical/physical-plan.ts'
import { statesReadBy } from '../physical/operator-states.ts'
import { pipelineFloor, sinkFloor, storeFloor } from '../pipeline/pipeline-floor.ts'
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

export function planFloor(pipelines: readonly PhysicalPipeline[]): PlanFloor {
  const lives = livesOf(pipelines)
  const residents = lives.flatMap(({ sink }): Resident[] => {
    const pages = sinkOf(sink).residentPages?.(sink) ?? 0
    return pages === 0 ? [] : [{ sinkId: sink.sinkId, pages }]
  })
  const isIdle = ({ complete, read }: Life, at: number): boolean => complete < at && at < read
  const idle = pipelines.map((_, at) => lives.filter((life) => isIdle(life, at)).map(({ sink }) => sink.sinkId))
  const areas = lives.filter((life) => pipelines.some((_, at) => isIdle(life, at))).map(({ sink }) => storeFloor(sink))
  const storePages = Math.max(0, ...areas)
  const lasting = residents.reduce((sum, { pages }) => sum + pages, 0) + storePages
  const need = pipelines.map((pipeline, at) => {
    const open = lives.filter(({ opens, closes }) => opens <= at && at <= closes)
    return open.reduce((sum, { sink }) => sum + sinkFloor(sink).guaranteedPages, pipelineFloor(pipeline).guaranteedPages)
  })
  const pagesFrom = need.map((_, at) => lasting + Math.max(...need.slice(at)))
  return { residents, storePages, pagesFrom, idle }
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
