/** The spill store: typed file I/O, quota, checksums, and Arrow IPC files that grow block by block. */
export { type Checksum, createChecksum } from './checksum.ts'
export { countedOperations, type FaultKind, type FaultPlan, makeFaultPlan } from './file-calls.ts'
export {
  appendBlock,
  BLOCK_ALIGNMENT,
  blockBytes,
  newSpillFile,
  openSpillFile,
  readBlock,
  removeSpillFile,
  type SpillBlock,
  type SpillContext,
  type SpillFileState,
  spillTotals,
} from './spill-file.ts'
export { createSpillIo, type SpillIo } from './spill-io.ts'
export { makeSpillQuota, SpillQuota, type SpillUsage } from './spill-quota.ts'
export { decodeSpillTotals, encodeSpillTotals, SPILL_TOTALS_BYTES, type SpillTotals } from './spill-totals.ts'
