/**
 * How a partitioned row store with its hash directory lies in the arena: a fixed-layout struct that the driver (plain
 * TypeScript) and generated code share. Called "local" since one worker owns it.
 *
 *   local (LOCAL_HEADER_BYTES)              partition 0 … 2^partitionBits - 1 (PARTITION_BYTES each)
 *   ┌──────────────────────────────────────┬───────────────┬───────────────┬──
 *   │ parameters, directory, stop reason   │ chains, facts │ chains, facts │ …
 *   └──────────────────────────────────────┴───────────────┴───────────────┴──
 *
 * Directory: u64 × 2^directoryBits, 0 = empty; low word = row address, high word = low 32 bits of the hash (salt).
 * A row's home slot is the top directoryBits bits of (hash << levelShift), its partition the top partitionBits bits of
 * the same, so each partition owns a contiguous range and probing wraps inside it.
 *
 * All fields are little-endian u32.
 */
export const LOCAL_HEADER_BYTES = 64
export const PARTITION_BYTES = 64

/** Byte offsets in the header. */
export const localStore = {
  partitionBits: 0,
  /** Hash bits that earlier levels of partitioning have used up. */
  levelShift: 4,
  directory: 8,
  directoryBits: 12,
  /** Slots per partition - 1. */
  rangeMask: 16,
  /** Entries that a range takes before it is called full. */
  rangeLimit: 20,
  /** Why the last call stopped early; see stopReason. */
  stopReason: 24,
  /** Index of the partition that needs something. */
  stopPartition: 28,
  /** Contiguous heap pages that are needed. */
  stopPages: 32,
  /** Rows created since the driver reset it. */
  newRows: 36,
  /** Row addresses by the low bits of the key, u32 × (directMask + 1), 0 = none; see fused-code.ts. */
  directMap: 40,
  directMask: 44,
  /** Rows that were in the directory but not in the direct map, since the driver reset it. */
  directMisses: 48,
} as const

/** Byte offsets in the header of a store of join rows, in the place of the direct map of a group-by. */
export const joinStore = {
  /** Address of i64 × 2 per key that has a range (see rangedKeys): its least and its greatest value. */
  keyRanges: 40,
} as const

/** So many keys of a row have ranges at most. */
export const KEY_RANGES_MAX = 4
export const KEY_RANGE_BYTES = 16

/** Byte offsets in a partition. */
export const partitionStore = {
  /** Row pages: head and tail of the chain, next free byte and end of the tail page; all 0 when empty. */
  rowHead: 0,
  rowTail: 4,
  rowCursor: 8,
  rowEnd: 12,
  rowCount: 16,
  rowPages: 20,
  /** Heap pages: the same, `heapTail` being the last page of the last block. */
  heapHead: 24,
  heapTail: 28,
  heapCursor: 32,
  heapEnd: 36,
  heapPages: 40,
  /** Entries of the partition's directory range. */
  entryCount: 44,
} as const

/** What a generated function needs before it can go on. */
export const stopReason = {
  none: 0,
  /** One row page for stopPartition. */
  rowPage: 1,
  /** stopPages contiguous heap pages for stopPartition. */
  heapPages: 2,
  /** The directory range of stopPartition is at its limit. */
  rangeFull: 3,
} as const
