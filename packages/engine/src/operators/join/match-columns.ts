/** Where output columns come from, for the probe side's stream and for spilled pairs in either role. */
import type { RowField } from '@spillway/codegen'
import { assert } from '@spillway/stdx'
import type { JoinEmits, JoinOutputColumn, JoinRole, JoinShape, MatchColumn } from './join.ts'
import type { MatcherOptions } from './matcher.ts'

function fieldOf(shape: JoinShape, { side, fieldIndex }: JoinOutputColumn): RowField {
  const field = shape[side].layout.fields[fieldIndex]
  assert(field !== undefined, 'an output column has a field in the rows of its side')
  return field
}

type Settings = Pick<MatcherOptions, 'layout' | 'emits' | 'keepsProbe' | 'marks' | 'columns'>

/** Batches of the probe side's stream, build rows kept. */
export function streamMatching(shape: JoinShape): Settings {
  const columns = shape.outputs.map((output): MatchColumn => {
    const field = output.side === 'build' ? fieldOf(shape, output) : undefined
    return { type: output.type, field, column: output.inputColumn }
  })
  return { ...roleSettings(shape, 'build'), columns }
}

/** Batches of the other side's spillSchema, rows of `kept` kept. */
export function pairMatching(shape: JoinShape, kept: JoinRole): Settings {
  const columns = shape.outputs.map((output): MatchColumn => {
    const field = output.side === kept ? fieldOf(shape, output) : undefined
    return { type: output.type, field, column: output.fieldIndex }
  })
  return { ...roleSettings(shape, kept), columns }
}

const reversedEmits: { readonly [K in JoinEmits]: JoinEmits } = {
  pairs: 'pairs',
  probeMatched: 'buildMatched',
  probeUnmatched: 'buildUnmatched',
  buildMatched: 'probeMatched',
  buildUnmatched: 'probeUnmatched',
}

function roleSettings(shape: JoinShape, kept: JoinRole): Omit<Settings, 'columns'> {
  const roles = rolesOf(shape, kept)
  return {
    layout: shape[kept].layout,
    emits: roles.emits,
    keepsProbe: roles.keepsProbe,
    marks: roles.emits === 'pairs' && roles.keepsBuild,
  }
}

/** What comes out when the rows of `kept` play the part of the build side. */
export function rolesOf(
  { emits, keepsBuild, keepsProbe }: JoinShape,
  kept: JoinRole,
): Pick<JoinShape, 'emits' | 'keepsBuild' | 'keepsProbe'> {
  if (kept === 'build') return { emits, keepsBuild, keepsProbe }
  return { emits: reversedEmits[emits], keepsBuild: keepsProbe, keepsProbe: keepsBuild }
}
