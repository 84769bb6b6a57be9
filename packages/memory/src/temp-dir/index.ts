/** Where spill files live: choosing the root, owning a directory under it, removing what the dead left. */
export { OutputTemporary, removeDeadTemporaries } from './output-temporary.ts'
export { atProcessEnd } from './process-end.ts'
export {
  createSpillDirectory,
  type Reclaimed,
  reclaimDeadDirectories,
  removeSpillDirectorySync,
  type SpillDirectory,
} from './spill-directory.ts'
export {
  defaultMaxSpillBytes,
  defaultTempRoots,
  resolveTempRoot,
  type TempRoot,
  type TempRootOptions,
} from './temp-root.ts'
