/** Arrow IPC files and streams, written and read inside a worker without a library for Arrow. */
export { type IpcFileParts, ipcTail, type WrittenRecordBatch } from './assemble-ipc-file.ts'
export {
  FOOTER_TRAILER_BYTES,
  type IpcBlock,
  type IpcFooter,
  ipcFileFooter,
  ipcFileHeader,
  ipcStream,
  readIpcFooter,
} from './ipc-file.ts'
export {
  type ArenaMemory,
  assertColumnsMatch,
  type BodySlice,
  type DecodedBatch,
  messageViews,
  type RecordBatchMessage,
  readRecordBatch,
  recordBatchMessage,
} from './record-batch-message.ts'
export { ipcSchemaMessage } from './schema-message.ts'
