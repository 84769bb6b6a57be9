/**
 * ScanIpc: rows of Arrow IPC files in file order. The optimizer narrows `columns` and adds a predicate or a slice.
 */
import type { ScanIpc } from '../logical-node.ts'
import { type NodeDef, noChildren } from '../node-def.ts'
import { explainFileScan, type FileScanInput, makeFileScan } from './file-scan.ts'

export function makeScanIpc(input: FileScanInput): ScanIpc {
  return makeFileScan('scanIpc', input)
}

export const scanIpc: NodeDef<ScanIpc> = {
  childrenOf: () => [],
  withChildren: noChildren,
  explain: (node) => explainFileScan('IPC SCAN', node),
}
