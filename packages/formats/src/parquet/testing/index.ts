/** For tests: parquet-wasm as a decoder of row groups, the twin that our own reader and writer are compared with. */
export { ParquetDecoder } from './decoder.ts'
export type { DecodedRowGroup, ParquetBatch } from './decoder.ts'
export { parquetWasmModule } from './wasm-module.ts'
