/** Where spill files live: choosing the root, owning a directory under it, removing what the dead left. */
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
