/** Opens a scan of Arrow IPC files: finds them, reads every footer, and checks that they have one schema. */
import { everything, openScan, type OpenedScan, type ScanRequest } from '../../parquet/open-scan.ts'
import type { PathArgument } from '../../paths/path-argument.ts'
import { readIpcMeta } from './ipc-file-meta.ts'

/**
 * Opens the files that `paths` name: files, directories or globs. Main thread.
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, ARROW_INVALID, UNSUPPORTED_FORMAT, SCHEMA_MISMATCH
 */
export function openIpcScan(
  paths: PathArgument | readonly PathArgument[],
  request: ScanRequest = everything,
): OpenedScan {
  const extensions = ['.arrow', '.feather', '.ipc']
  return openScan(paths, { scan: 'scanIpc', name: 'Arrow IPC', extensions, readMeta: readIpcMeta }, request)
}
