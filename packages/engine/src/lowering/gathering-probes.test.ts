/** Joins are found, through branches too, whose probing pipeline keeps rows in memory. */
import { expect, it } from 'vitest'
import type { PipelineBranch, PipelineChain, SinkSpec } from '../physical/physical-plan.ts'
import { findGatheringProbes, markGatheringProbes } from './gathering-probes.ts'

const chain = (
  probes: readonly number[],
  sinks: readonly object[],
  branches: PipelineBranch[] = [],
): PipelineBranch => ({
  transforms: probes.map((sinkId) => ({ kind: 'joinProbe', sinkId })) as unknown as PipelineChain['transforms'],
  sinks: sinks.map((sink) => ({ sink: sink as SinkSpec, inputKind: 0, publishes: true })),
  branches,
  sequenceBase: 0,
  inputColumns: 0,
})
const groupBy = (keyCount: number) => ({ kind: 'groupBy', shape: { keyCount } })

it('finds the joins whose probing pipeline ends in rows in memory', () => {
  expect([...findGatheringProbes([chain([1, 2], [groupBy(1)])])]).toEqual([1, 2])
  expect([...findGatheringProbes([chain([1], [{ kind: 'joinBuild', sinkId: 5 }])])]).toEqual([1])
  expect([...findGatheringProbes([chain([1], [{ kind: 'sort', top: undefined }])])]).toEqual([1])
  const small = [chain([1], [groupBy(0)]), chain([2], [{ kind: 'sort', top: {} }]), chain([3], [{ kind: 'collect' }])]
  expect([...findGatheringProbes(small)]).toEqual([])
})

it('follows branches, which get what the chain before them probed', () => {
  const branched = chain([1], [], [chain([2], [groupBy(2)]), chain([3], [{ kind: 'collect' }])])
  expect([...findGatheringProbes([branched])]).toEqual([1, 2])
})

it('tells the build sides', () => {
  const build = (sinkId: number) => ({ kind: 'joinBuild', sinkId, probeGathers: false })
  const marked = markGatheringProbes(chain([], [build(1)], [chain([], [build(2)])]), new Set([2]))
  expect(marked.sinks[0]?.sink).toMatchObject({ probeGathers: false })
  expect(marked.branches[0]?.sinks[0]?.sink).toMatchObject({ probeGathers: true })
})
