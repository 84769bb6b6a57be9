/** How many rows a plan gives at most or about, from what is known without running it: footers and table lengths. */
import { hasOwnLength, type Schema, widthOf } from '@spillway/columnar'
import type { LogicalNode } from '@spillway/plan'
import type { PlannedFiles } from './planned-files.ts'

/** Share of rows that a filter is thought to keep. */
const FILTER_SHARE = 0.3
/** Bytes of a string in memory, on average. */
const STRING_BYTES = 32
/** What a kept row has beside its columns: hash, link, flags, its part of a directory. */
const ROW_OVERHEAD_BYTES = 28

/** Undefined: nothing is known. */
export function estimateRows(files: PlannedFiles, node: LogicalNode): number | undefined {
  switch (node.kind) {
    case 'scanParquet': {
      const rows = node.files.reduce((sum, path) => sum + files.parquet(path).rowCount, 0)
      return node.predicate === undefined ? rows : rows * FILTER_SHARE
    }
    case 'scanIpc': {
      const rows = node.files.reduce((sum, path) => sum + files.ipc(path).rowCount, 0)
      return node.predicate === undefined ? rows : rows * FILTER_SHARE
    }
    case 'inMemory':
      return node.slice === undefined ? node.rowCount : Math.min(node.rowCount, node.slice.length)
    case 'generated':
      return node.rowCount
    case 'filter':
      return scaled(estimateRows(files, node.input), FILTER_SHARE)
    case 'slice': {
      const rows = estimateRows(files, node.input) ?? Number.POSITIVE_INFINITY
      const kept = Math.min(rows, node.length)
      return Number.isFinite(kept) ? kept : undefined
    }
    case 'concat': {
      const parts = node.inputs.map((input) => estimateRows(files, input))
      return parts.every((part) => part !== undefined) ? parts.reduce((sum: number, part) => sum + part, 0) : undefined
    }
    case 'join': {
      const left = estimateRows(files, node.left)
      const right = estimateRows(files, node.right)
      if (left === undefined || right === undefined) return undefined
      if (node.how === 'cross') return left * right
      return node.how === 'semi' || node.how === 'anti' ? left : Math.max(left, right)
    }
    case 'shared':
      return estimateRows(files, node.own)
    default:
      return 'input' in node ? estimateRows(files, node.input) : undefined
  }
}

const scaled = (rows: number | undefined, share: number): number | undefined =>
  rows === undefined ? undefined : rows * share

/** Bytes that a row with these columns takes when it is kept. */
export function keptRowBytes(schema: Schema, columns: ReadonlySet<string>): number {
  return schema.fields
    .filter(({ name }) => columns.has(name))
    .reduce((sum, { type }) => sum + (hasOwnLength(type) ? STRING_BYTES : widthOf(type)), ROW_OVERHEAD_BYTES)
}
