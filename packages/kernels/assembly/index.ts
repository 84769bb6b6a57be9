// The kernels' module: every exported function of these files is an export of kernels.wasm.
// State lives in the arena, never in globals: module globals are per instance and static data is shared by all threads.
export * from './arena'
export * from './cast'
export * from './convert'
export {
  andValidity,
  bitmapToBytes,
  bytesToBitmap,
  fillValue,
  gather,
  iota64,
  iotaSelected64,
  masksToSelection,
  sanitizeIndices,
  utf8ToViews,
  viewsByteLength,
  viewsLengthMax,
  viewsToUtf8,
} from './convert'
export * from './decimal'
export * from './join'
export { addToFilter, divideFiltered } from './join-filter'
export * from './ipc'
export * from './parquet/byte-stream-split'
export * from './parquet/delta'
export * from './parquet/delta-strings'
export { gatherCodes, gatherSelectedCodes, hybridCodes, hybridGather } from './parquet/codes'
export * from './parquet/greedy-compress'
export { hybridBytes, hybridBytesUntil, hybridSkip, reverseBits } from './parquet/hybrid'
export * from './parquet/inflate'
export * from './parquet/levels'
export * from './parquet/encode-bloom'
export * from './parquet/encode-bounds'
export { deltaEncode } from './parquet/encode-delta'
export * from './parquet/encode-dictionary'
export * from './parquet/encode-runs'
export { plainFixed, plainViews } from './parquet/encode-values'
export * from './parquet/lz4'
export * from './parquet/plain'
export * from './parquet/plain-strings'
export * from './parquet/snappy'
export * from './parquet/unpack'
export * from './parquet/zstd-compress'
export * from './parquet/zstd-frame'
export * from './merge-entries'
export * from './rows'
export { entriesBelow, fillSortEntries, sortEntries } from './sort-entries'
export { compareSortRows, compareToBound } from './sort-order'
export * from './strings'
export * from './sums'
export * from './touch'
export * from './verdicts'
export * from './wide-sums'
