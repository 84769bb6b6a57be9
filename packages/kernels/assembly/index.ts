// The kernels' module: every exported function of these files is an export of kernels.wasm.
// State lives in the arena, never in globals: module globals are per instance and static data is shared by all threads.
export * from './arena'
export * from './cast'
export * from './convert'
export * from './decimal'
export * from './rows'
export * from './strings'
export * from './parquet/zstd-frame'
export * from './parquet/zstd-compress'
export * from './parquet/inflate'
