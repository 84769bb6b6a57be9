/** What a pipeline and a sink are guaranteed on each worker: workspace plus the pages that make progress certain. */
import { COLUMN_BYTES, DESCRIPTOR_HEADER_BYTES } from '@spillway/columnar'
import { WorkspaceSize } from '@spillway/memory'
import type { PhysicalPipeline, PipelineChain, SinkSpec } from '../physical/physical-plan.ts'
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
  const addChain = (chain: PipelineChain): void => {
    for (const spec of chain.transforms) {
      const transform = transformOf(spec)
      transform.size(spec, size)
      extra += transform.floorPages(spec)
    }
    for (const branch of chain.branches) {
      size.add(branchDescriptorBytes(branch.inputColumns))
      addChain(branch)
    }
  }
  addChain(pipeline)
  return { workspacePages: size.pages, guaranteedPages: size.pages + extra }
}

export function sinkFloor(spec: SinkSpec): Floor {
  const size = new WorkspaceSize()
  const sink = sinkOf(spec)
  sink.size(spec, size)
  return { workspacePages: size.pages, guaranteedPages: size.pages + sink.floorPages(spec) }
}

/** Pages of the buffers in which a sink spills what it has published. */
export function storeFloor(spec: SinkSpec): number {
  const size = new WorkspaceSize()
  sinkOf(spec).sizeStore?.(spec, size)
  return size.pages
}

/** Of the descriptor through which a branch sees a batch. */
export function branchDescriptorBytes(columns: number): number {
  return DESCRIPTOR_HEADER_BYTES + columns * COLUMN_BYTES
}
