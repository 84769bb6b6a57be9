/** Reading Arrow IPC files that may come from anywhere. */
export { type IpcArena, loadBytes, readStoredLength } from './buffer-source.ts'
export type { IpcColumn, IpcStorage } from './column-layout.ts'
export { IpcColumnReader, type OpenBatch } from './ipc-column-reader.ts'
export { ipcDamage, type IpcPlace, readIpcBytes } from './ipc-damage.ts'
export { type IpcFileMeta, type IpcRecordBatch, readIpcMessage, readIpcMeta } from './ipc-file-meta.ts'
export { openIpcScan } from './open-ipc-scan.ts'
export { ownBufferCount } from './stored-values.ts'
