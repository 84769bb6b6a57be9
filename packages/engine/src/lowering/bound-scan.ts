/**
 * Tells a Parquet scan about the top-k that its rows go to: which row groups can hold rows of it goes by the statistics
 * of the first key. The most promising row groups are read first, so that the bound is tight early.
 *
 * Only where nothing but filters and projections stands between, none of which may raise an error: a row group that is
 * skipped raises none. A key that is computed, and float keys in descending order (NaN is in no statistics), leave the
 * scan as it is.
 */
import { leastFirstWord, type SortSpec } from '@spillway/codegen'
import { type ParquetRowGroup, requireRowGroup } from '@spillway/formats'
import { type LogicalNode, mayRaise, type Sort, type TypedExpr } from '@spillway/plan'
import type { ScanParquetSpec } from '../operators/scan-parquet/scan-parquet.ts'
import type { PlannedFiles } from './planned-files.ts'
import type { Stream } from './stream.ts'

export function boundScan(
  files: PlannedFiles,
  stream: Stream,
  node: Sort,
  spec: SortSpec,
  boundCounter: number,
): Stream {
  const { source } = stream
  if (boundCounter < 0 || source.kind !== 'scanParquet' || stream.isSerial) return stream
  if (node.keys.some(({ expr }) => mayRaise(expr))) return stream
  const column = traceColumn(node.input, node.keys[0]?.expr)
  return column === undefined ? stream : { ...stream, source: boundSource(files, source, column, spec, boundCounter) }
}

/** The scanned column that an expression hands on, through what neither computes it nor can fail. */
function traceColumn(node: LogicalNode, expr: TypedExpr | undefined): string | undefined {
  if (expr?.kind !== 'column') return undefined
  switch (node.kind) {
    case 'scanParquet':
      return node.predicate !== undefined && mayRaise(node.predicate) ? undefined : expr.name
    case 'filter':
      return mayRaise(node.predicate) ? undefined : traceColumn(node.input, expr)
    case 'project': {
      if (node.exprs.some((named) => mayRaise(named.expr))) return undefined
      return traceColumn(node.input, node.exprs.find(({ name }) => name === expr.name)?.expr)
    }
    default:
      return undefined
  }
}

function boundSource(
  files: PlannedFiles,
  source: ScanParquetSpec,
  column: string,
  spec: SortSpec,
  boundCounter: number,
): ScanParquetSpec {
  const ranked = source.morsels.map((morsel, sequence) => {
    const rowGroup = requireRowGroup(files.parquetOf(source, morsel.file), morsel.rowGroup)
    return { morsel, sequence, word: leastWord(rowGroup, column, spec) }
  })
  if (ranked.every(({ word }) => word === 0n)) return source
  ranked.sort((a, b) => (a.word < b.word ? -1 : a.word > b.word ? 1 : a.sequence - b.sequence))
  return {
    ...source,
    morsels: ranked.map(({ morsel }) => morsel),
    top: {
      boundCounter,
      leastWords: BigUint64Array.from(ranked, ({ word }) => word),
      sequences: Uint32Array.from(ranked, ({ sequence }) => sequence),
    },
  }
}

function leastWord(rowGroup: ParquetRowGroup, column: string, spec: SortSpec): bigint {
  const chunk = rowGroup.chunks[column]
  if (chunk === undefined) return 0n
  const { min, max, nullCount } = chunk
  return leastFirstWord(spec, { min, max, hasNull: nullCount !== 0, hasValue: nullCount !== rowGroup.rowCount })
}
