/** Memory and what replaces it: byte sizes, limits of the system, the spill store and its directory. */
export { formatBytes, parseByteSize } from './byte-size.ts'
export { findMappingResidentBytes, readPeakResidentBytes, readResidentBytes } from './resident-memory.ts'
export { type CollectGarbage, garbageCollector } from './garbage-collector.ts'
export * from './arena/index.ts'
export * from './spill/index.ts'
export { systemMemoryBytes, type SystemMemorySource } from './system-memory.ts'
export * from './temp-dir/index.ts'
