/** What reading a scan costs, from metadata alone: for choosing between one scan that several read and one for each. */
import { hasOwnLength, widthOf } from '@spillway/columnar'
import { columnsUsed, type LogicalNode, type ScanParquet } from '@spillway/plan'
import type { PlannedFiles } from './planned-files.ts'

/** Share of rows that a filter is thought to keep: only those of the other columns are decoded. */
const FILTER_SHARE = 0.3
const STRING_BYTES = 32

/** Bytes that are decoded, about; undefined for what is no scan. */
export function scanBytes(files: PlannedFiles, node: LogicalNode): number | undefined {
  switch (node.kind) {
    case 'scanParquet':
      return parquetBytes(files, node)
    case 'scanIpc':
    case 'inMemory': {
      // Both lie there row by row in memory or a map of a file: rows cancel out when scans of one source are compared.
      const width = node.schema.fields.reduce(
        (sum, { type }) => sum + (hasOwnLength(type) ? STRING_BYTES : widthOf(type)),
        0,
      )
      return node.kind === 'inMemory' || node.predicate === undefined ? width : width * FILTER_SHARE
    }
    default:
      return undefined
  }
}

function parquetBytes(files: PlannedFiles, node: ScanParquet): number {
  const filtered = node.predicate === undefined ? new Set<string>() : columnsUsed(node.predicate)
  const shares = new Map<string, number>(node.columns.map((name) => [name, node.predicate ? FILTER_SHARE : 1]))
  for (const name of filtered) shares.set(name, 1)
  let bytes = 0
  for (const { file, rowGroup, ranges } of files.morselsOf(node).morsels) {
    const group = files.parquetOf(node, file).rowGroups[rowGroup]
    if (group === undefined) continue
    const rows = ranges.reduce((sum, range) => sum + range.rows, 0)
    for (const [name, share] of shares) {
      bytes += (group.chunks[name]?.uncompressedBytes ?? 0) * share * (rows / group.rowCount)
    }
  }
  return bytes
}
