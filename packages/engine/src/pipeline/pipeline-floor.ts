/** What a pipeline and a sink are guaranteed on each worker: workspace plus the pages that make progress certain. */
import { WorkspaceSize } from '@spillway/memory'
import type { PhysicalPipeline, SinkSpec } from '../physical/physical-plan.ts'
import { sinkOf, sourceOf, transformOf } from './worker-operators.ts'

export interface Floor {
  readonly workspacePages: number
  readonly guaranteedPages: number
}

/** Source and transforms; sinks have reservations of their own because they outlive a pipeline. */
export function pipelineFloor(pipeline: PhysicalPipeline): Floor {
  const size = new WorkspaceSize()
  const source = sourceOf(pipeline.source)
  source.size(pipeline.source, size)
  let extra = source.floorPages(pipeline.source)
  for (const spec of pipeline.transforms) {
    const transform = transformOf(spec)
    transform.size(spec, size)
    extra += transform.floorPages(spec)
  }
  return { workspacePages: size.pages, guaranteedPages: size.pages + extra }
}

export function sinkFloor(spec: SinkSpec): Floor {
  const size = new WorkspaceSize()
  const sink = sinkOf(spec)
  sink.size(spec, size)
  return { workspacePages: size.pages, guaranteedPages: size.pages + sink.floorPages(spec) }
}
