/**
 * ScanParquet: rows of Parquet files in file order. The optimizer narrows `columns` and adds a predicate or a slice.
 */
import type { ScanParquet } from '../logical-node.ts'
import { type NodeDef, noChildren } from '../node-def.ts'
import { explainFileScan, type FileScanInput, makeFileScan } from './file-scan.ts'

export function makeScanParquet(input: FileScanInput): ScanParquet {
  return makeFileScan('scanParquet', input)
}

export const scanParquet: NodeDef<ScanParquet> = {
  childrenOf: () => [],
  withChildren: noChildren,
  explain: (node) => explainFileScan('PARQUET SCAN', node),
}
