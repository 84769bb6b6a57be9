/** Opens a scan of Arrow IPC files: finds them, reads every footer, and checks that they have one schema. */
import { openScan, type OpenedScan } from '../../parquet/open-scan.ts'
import type { PathArgument } from '../../paths/path-argument.ts'
import { readIpcMeta } from './ipc-file-meta.ts'

/**
 * Opens the files that `paths` name: files, directories or globs. Main thread.
 * @param compared columns in which the files must agree; by default in all
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, ARROW_INVALID, SCHEMA_MISMATCH
 */
export function openIpcScan(paths: PathArgument | readonly PathArgument[], compared?: readonly string[]): OpenedScan {
  const extensions = ['.arrow', '.feather', '.ipc']
  return openScan(paths, compared, { scan: 'scanIpc', name: 'Arrow IPC', extensions, readMeta: readIpcMeta })
}
