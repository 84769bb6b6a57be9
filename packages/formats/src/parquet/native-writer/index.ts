/** Our own Parquet encoder: row groups from batches in the arena. */
export type { BufferCount, BufferSource, EncoderArena, PageSource } from './encoder-room.ts'
export type { EncoderShape } from './page-room.ts'
export { compressionLevels, pageCodec, type ParquetCompression } from './page-codec.ts'
export { type FinishedRowGroup, RowGroupWriter, sizeRowGroupWriter } from './row-group-writer.ts'
export { mayHaveBloomFilter } from './chunk-bloom-filter.ts'
export { columnForm } from './column-form.ts'
