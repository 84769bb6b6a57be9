/**
 * Tells a scan of files about a join that its rows go to: what the build side holds, once it is complete, limits what
 * is read (main/bound-by-builds.ts). An empty build side leaves nothing to read.
 *
 * Only where rows without a match do not come out, and where nothing on the way from the scan counts rows, could raise
 * an error for one that is left out, or wants to know which rows of its own had a match.
 */
import type { Field } from '@spillway/columnar'
import { findFieldIndex } from '@spillway/columnar'
import { mayRaise } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import { type JoinProbeSpec, keepsProbeRows } from '../operators/join/join.ts'
import type { ScanBuild } from '../operators/scan-file/scan-file.ts'
import type { Stream } from './stream.ts'

/** @param keys positions in the stream's schema */
export function limitToBuild(
  stream: Stream,
  { shape, sinkId }: JoinProbeSpec,
  keys: readonly { readonly column: number }[],
  nullsEqual: boolean,
): Stream {
  const { source } = stream
  if (source.kind !== 'scanParquet' && source.kind !== 'scanIpc') return stream
  // Without keys every row has a match, unless there is nothing on the other side.
  if (keepsProbeRows(shape) || !letsRowsGo(stream)) return stream
  const traced = shape.build.rangedKeys.flatMap((key, range): ScanBuild['keys'] => {
    const column = traceColumn(stream, keys[key]?.column ?? -1)
    return column === undefined || !hasOrder(column) ? [] : [{ column, range }]
  })
  const build: ScanBuild = { sinkId, keys: traced, nullsEqual, text: shape.text }
  return { ...stream, source: { ...source, builds: [...source.builds, build] } }
}

/** Nobody between the scan and the end of the stream notices that a row is left out. */
function letsRowsGo({ source, steps }: Stream): boolean {
  if (source.kind !== 'scanParquet' && source.kind !== 'scanIpc') return false
  if (source.filter !== undefined && source.filter.siteTexts.length > 0) return false
  return steps.every((step) => {
    switch (step.kind) {
      case 'draft': {
        const { filter, project } = step
        return !(filter !== undefined && mayRaise(filter)) && !(project ?? []).some(({ expr }) => mayRaise(expr))
      }
      case 'joinProbe': {
        const { emits, keepsBuild } = step.shape
        return !keepsBuild && emits !== 'buildMatched' && emits !== 'buildUnmatched'
      }
      case 'ordinal':
        return step.dense === undefined
      default:
        return false
    }
  })
}

/** The scanned column that a column of the stream is, undefined when it is computed. */
function traceColumn({ source, steps }: Stream, column: number): Field | undefined {
  if (source.kind === 'tap') return undefined
  let at = column
  for (const step of [...steps].reverse()) {
    if (step.kind === 'draft' && step.project !== undefined) {
      const expr = step.project[at]?.expr
      if (expr?.kind !== 'column') return undefined
      at = findFieldIndex(step.input, expr.name)
    } else if (step.kind === 'joinProbe') {
      const output = step.shape.outputs[at]
      if (output?.side !== 'probe') return undefined
      at = output.inputColumn
    } else if (step.kind === 'ordinal' && at >= step.inputColumns) return undefined
  }
  assert('schema' in source, 'a scan has a schema')
  return source.schema.fields[at]
}

/** Its values are kept as integers that are ordered as the values are. */
const hasOrder = ({ type }: Field): boolean => type.kind !== 'boolean' && type.kind !== 'null'
