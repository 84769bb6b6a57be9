/** The native Parquet reader: column chunks decoded by kernels, straight into the arena. */
export { ColumnChunkReader } from './column-chunk-reader.ts'
export type { ChunkDictionary, ChunkReaderOptions, ReaderColumn } from './column-chunk-reader.ts'
export type { ReadBytes } from './chunk-input.ts'
export type { ChunkMemory } from './reader-context.ts'
