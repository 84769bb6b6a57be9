/**
 * The fixed part of an arena: one shared WebAssembly.Memory whose pages (64 KiB) are the unit of allocation.
 *
 *   page 0   0 … 1023 never used (a null pointer stays invalid), then static data of the kernels
 *   page 1   control words (below)
 *   page 2…  page table: next page of a chain, u32 × pageCount; owner, u16 × pageCount (0 = free)
 *   then     allocatable pages
 *   last     a guard that is never handed out: any buffer may be read 16 bytes past its end
 */
export const PAGE_BYTES = 65536
export const CONTROL_ADDRESS = 65536
export const PAGE_TABLE_ADDRESS = 131072

/** Byte offsets from CONTROL_ADDRESS; all u32, read and written atomically. */
export const control = {
  pageCount: 0,
  /** Pages at or above this index are never handed out: the ceiling on resident memory. */
  capPages: 4,
  /** Allocated pages. */
  usedPages: 8,
  /** 1 + the highest page index ever handed out: what may be resident. */
  highWaterPages: 12,
  /** Pages promised to queries, allocated or not (floors, grants, results on their way out). */
  reservedPages: 16,
  /** Spin lock of the allocator. */
  lock: 20,
  /** No free page lies below this index. */
  firstFreeHint: 24,
  /** 1 = fill freed pages with 0xDB. */
  poison: 28,
  /** Pages that may be promised in all. */
  reservablePages: 32,
  /** Highest usedPages since it was last reset. */
  peakUsedPages: 36,
} as const
