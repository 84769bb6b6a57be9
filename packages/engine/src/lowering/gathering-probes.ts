/** Which joins are probed by pipelines that gather rows in memory: both want it at the same time. */
import type { PipelineChain, SinkSpec } from '../physical/physical-plan.ts'

/** Ids of the sinks of those joins' build sides. */
export function findGatheringProbes(chains: readonly PipelineChain[]): ReadonlySet<number> {
  const found = new Set<number>()
  for (const chain of chains) addProbed(chain, [], found)
  return found
}

function addProbed(
  { transforms, sinks, branches }: PipelineChain,
  before: readonly number[],
  found: Set<number>,
): void {
  const probed = [...before, ...transforms.flatMap((each) => (each.kind === 'joinProbe' ? [each.sinkId] : []))]
  if (sinks.some(({ sink }) => gathers(sink))) for (const id of probed) found.add(id)
  for (const branch of branches) addProbed(branch, probed, found)
}

/** A group-by without keys has one row, a top-k few. */
function gathers(sink: SinkSpec): boolean {
  if (sink.kind === 'groupBy') return sink.shape.keyCount > 0
  return sink.kind === 'joinBuild' || (sink.kind === 'sort' && sink.top === undefined)
}

/** The chain with what its own sinks have to know of that. */
export function markGatheringProbes<Chain extends PipelineChain>(chain: Chain, found: ReadonlySet<number>): Chain {
  const sinks = chain.sinks.map((use) =>
    use.sink.kind === 'joinBuild' ? { ...use, sink: { ...use.sink, probeGathers: found.has(use.sink.sinkId) } } : use,
  )
  return { ...chain, sinks, branches: chain.branches.map((branch) => markGatheringProbes(branch, found)) }
}
