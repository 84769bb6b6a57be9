/**
 * Leaves out what a scan need not read because of the joins that its rows go to (lowering/limit-to-build.ts): row
 * groups and pages whose statistics lie outside of the keys of a build side, and everything when a build side is empty.
 * Between pipelines, on the main thread: every worker has published its part of the build side.
 */
import type { DataType } from '@spillway/columnar'
import { pruneScan, readFileMeta, type RowRange } from '@spillway/formats'
import { joinConjuncts, type TypedExpr } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import { type PublishedRows, rangeOf } from '../operators/join/published-build.ts'
import type { KeyRange } from '../operators/join/row-store.ts'
import type { ScanBuild } from '../operators/scan-file/scan-file.ts'
import type { ParquetMorsel, ScanParquetSpec } from '../operators/scan-parquet/scan-parquet.ts'
import { intersect } from '../lowering/planned-files.ts'
import type { PhysicalPipeline } from '../physical/physical-plan.ts'

export interface BoundPipeline {
  readonly pipeline: PhysicalPipeline
  readonly rowGroupsSkipped: number
}

/** @param published what the workers published under an id */
export function boundByBuilds(
  pipeline: PhysicalPipeline,
  published: (sinkId: number) => readonly PublishedRows[],
): BoundPipeline {
  const { source } = pipeline
  const same = { pipeline, rowGroupsSkipped: 0 }
  if ((source.kind !== 'scanParquet' && source.kind !== 'scanIpc') || source.builds.length === 0) return same
  const predicates = source.builds.map((build) => keyPredicate(build, published(build.sinkId)))
  if (source.kind === 'scanIpc') {
    return predicates.includes('never') ? { pipeline: { ...pipeline, morselCount: 0 }, rowGroupsSkipped: 0 } : same
  }
  const conditions = predicates.flatMap((each) => (typeof each === 'string' ? [] : [each]))
  const predicate = predicates.includes('never') ? 'never' : joinConjuncts(conditions)
  if (predicate === undefined) return same
  const bound = boundSource(source, predicate)
  return {
    pipeline: { ...pipeline, source: bound, morselCount: bound.morsels.length },
    rowGroupsSkipped: countRowGroups(source) - countRowGroups(bound),
  }
}

const countRowGroups = ({ morsels }: ScanParquetSpec): number =>
  new Set(morsels.map(({ file, rowGroup }) => `${file}:${rowGroup}`)).size

/** What a row of the scan must satisfy to have a match in the build side. */
function keyPredicate(
  { keys, nullsEqual }: ScanBuild,
  locals: readonly PublishedRows[],
): TypedExpr | 'never' | 'always' {
  assert(locals.length > 0, 'a build side is published before what is behind it starts')
  if (locals.every(({ rows }) => rows === 0)) return 'never'
  const conditions: TypedExpr[] = []
  for (const { column, range } of keys) {
    const { leastKey, greatestKey } = rangeOf(locals, range)
    const { name, type, nullable } = column
    const value: TypedExpr = { kind: 'column', name, type, nullable }
    const isNull: TypedExpr = {
      kind: 'unary',
      op: 'isNull',
      operand: value,
      type: { kind: 'boolean' },
      nullable: false,
    }
    if (leastKey > greatestKey) {
      if (!nullsEqual) return 'never'
      conditions.push(isNull)
      continue
    }
    const bounds = boundsOf({ leastKey, greatestKey }, type)
    if (bounds === undefined) continue
    const inside = isBetween(value, bounds)
    conditions.push(nullsEqual ? binary('or', isNull, inside) : inside)
  }
  return joinConjuncts(conditions) ?? 'always'
}

/** The range as values of the type; undefined when unsigned keys lie on both sides of what reads as negative. */
function boundsOf({ leastKey, greatestKey }: KeyRange, type: DataType): KeyRange | undefined {
  const bits = type.kind === 'uint32' ? 32 : type.kind === 'uint64' ? 64 : 0
  if (bits === 0 || leastKey >= 0n) return { leastKey, greatestKey }
  if (greatestKey >= 0n) return undefined
  return { leastKey: BigInt.asUintN(bits, leastKey), greatestKey: BigInt.asUintN(bits, greatestKey) }
}

function isBetween(value: TypedExpr, { leastKey, greatestKey }: KeyRange): TypedExpr {
  const literal = (key: bigint): TypedExpr => ({ kind: 'literal', value: key, type: value.type, nullable: false })
  // A single value can be looked for in the file's Bloom filters, too.
  if (leastKey === greatestKey) return binary('eq', value, literal(leastKey))
  return binary('and', binary('ge', value, literal(leastKey)), binary('le', value, literal(greatestKey)))
}

function binary(op: 'and' | 'or' | 'eq' | 'ge' | 'le', left: TypedExpr, right: TypedExpr): TypedExpr {
  return { kind: 'binary', op, left, right, type: { kind: 'boolean' }, nullable: left.nullable || right.nullable }
}

function boundSource(source: ScanParquetSpec, predicate: TypedExpr | 'never'): ScanParquetSpec {
  const byFile = new Map<number, readonly (readonly RowRange[])[] | undefined>()
  const rangesOf = ({ file, rowGroup, ranges }: ParquetMorsel): readonly RowRange[] => {
    if (predicate === 'never') return []
    if (!byFile.has(file)) byFile.set(file, pruneFile(source, file, predicate))
    const kept = byFile.get(file)?.[rowGroup]
    return kept === undefined ? ranges : ranges.flatMap(({ start, rows }) => intersect(kept, start, start + rows))
  }
  const kept = source.morsels.flatMap((morsel, index) => {
    const ranges = rangesOf(morsel)
    return ranges.length === 0 ? [] : [{ index, morsel: { ...morsel, ranges } }]
  })
  const { top } = source
  return {
    ...source,
    morsels: kept.map(({ morsel }) => morsel),
    top: top && {
      ...top,
      leastWords: BigUint64Array.from(kept, ({ index }) => top.leastWords[index] as bigint),
      sequences: Uint32Array.from(kept, ({ index }) => top.sequences[index] as number),
    },
  }
}

/** Undefined: nothing is known of the file. If that is an error, the worker that reads it says so. */
function pruneFile(source: ScanParquetSpec, file: number, predicate: TypedExpr) {
  try {
    const meta = readFileMeta(source.files[file] as string)
    const planned = source.versions[file]
    if (meta.fileBytes !== planned?.fileBytes || meta.modifiedNs !== planned.modifiedNs) return undefined
    if (meta.footerDigest !== source.footerDigests[file]) return undefined
    return pruneScan(meta, predicate, 'mixed')
  } catch {
    return undefined
  }
}
