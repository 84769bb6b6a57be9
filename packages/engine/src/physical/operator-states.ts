/** Which published states operators leave behind and read: what decides the order of pipelines. */
import { joinStatesRead } from '../operators/join/join.ts'
import type { OperatorSpec } from './physical-plan.ts'

/** Ids of the published states that an operator reads. */
export function statesReadBy(spec: OperatorSpec): number[] {
  switch (spec.kind) {
    case 'groupByOutput':
    case 'sortOutput':
    case 'multiplexerOutput':
      return [spec.sinkId]
    case 'joinBuild':
    case 'joinTable':
    case 'joinProbe':
    case 'joinPairs':
      return joinStatesRead(spec)
    default:
      return []
  }
}

/** Ids of the states that an operator makes, adds to, or changes for those that read them later. */
export function statesWrittenBy(spec: OperatorSpec): number[] {
  if (spec.kind === 'joinProbe') return [spec.probeId]
  if (spec.kind === 'groupByOutput' || spec.kind === 'sortOutput' || spec.kind === 'multiplexerOutput' || spec.kind === 'joinPairs') return []
  return 'sinkId' in spec ? [spec.sinkId] : []
}
