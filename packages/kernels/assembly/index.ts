// The kernels' module: every exported function of these files is an export of kernels.wasm.
// State lives in the arena, never in globals: module globals are per instance and static data is shared by all threads.
export * from './arena'
export * from './cast'
export * from './convert'
export * from './decimal'
export * from './rows'
export * from './strings'
export * from './parquet/encode-bounds'
export * from './parquet/encode-dictionary'
export * from './parquet/encode-runs'
export { plainFixed, plainViews } from './parquet/encode-values'
