/**
 * The kernels' exports, as JavaScript sees them. Addresses and counts are u32 passed as numbers (may arrive negative
 * from WebAssembly: use `>>> 0`). One sub-interface per AssemblyScript file.
 */

/** assembly/arena.ts */
export interface ArenaKernels {
  /** Writes control words and page table. Once per arena, before any other thread sees it. */
  arenaInit(pageCount: number): void
  /** First index of an allocatable page. The last page of the memory is a guard and is never handed out either. */
  arenaFirstPage(): number
  /**
   * Allocates `count` contiguous pages, lowest address first, below the cap. Thread-safe; returns the address or 0.
   * @param owner 1 … 65534; `ownerFree` frees all pages of an owner.
   */
  pageAlloc(owner: number, count: number): number
  pageFree(address: number, count: number): void
  /** Frees every page of `owner`; returns how many. */
  ownerFree(owner: number): number
  ownerPages(owner: number): number
  /** Next page of the chain that `address` belongs to, or 0. */
  pageNextGet(address: number): number
  pageNextSet(address: number, next: number): void
  /** Frees all pages of a chain; returns how many. */
  chainFree(address: number): number
  /** Promises `pages` if reservedPages + pages ≤ reservablePages. 1 = granted, 0 = refused. */
  reserve(pages: number): number
  release(pages: number): void
}

/**
 * assembly/convert.ts. Sources must be readable 16 bytes past their end (everywhere in an arena: its last page is a
 * guard). Targets must not overlap sources unless said.
 */
export interface ConvertKernels {
  /** Bitmap → one byte per row (0 or 1). Returns the number of zeroes. */
  bitmapToBytes(bitmap: number, bitOffset: number, rowCount: number, target: number): number
  /** One byte per row → bitmap (target zero-padded to 8 bytes). Null pointer selection = all rows. Returns zeroes. */
  bytesToBitmap(source: number, selection: number, rowCount: number, target: number): number
  /**
   * Arrow offsets (4 or 8 bytes each, at row 0 of the range) → views; string byte k stands at dataAddress + k, modulo
   * 2^32: with strings copied to `heap`, dataAddress is heap minus the first offset.
   */
  utf8ToViews(offsets: number, offsetBytes: number, rowCount: number, dataAddress: number, target: number): void
  /** Total string bytes of the selected, valid rows. validity 0 = no nulls, selection 0 = all rows. */
  viewsByteLength(views: number, validity: number, selection: number, rowCount: number): number
  /** Most bytes of one of them; 0 without any. */
  viewsLengthMax(views: number, validity: number, selection: number, rowCount: number): number
  /**
   * Views → int32 offsets (rowCount + 1) and bytes. Null rows get length 0. Returns bytes written. `data` must be
   * writable 16 bytes past those: they are clobbered.
   */
  viewsToUtf8(
    views: number,
    validity: number,
    selection: number,
    rowCount: number,
    offsets: number,
    data: number,
  ): number
  /** target[k] = source[indices[k]]; values of `width` 1, 2, 4, 8, 16 bytes, indices of `indexBytes` 1, 2, 4 bytes. */
  gather(source: number, indices: number, indexBytes: number, width: number, rowCount: number, target: number): void
  /** Repeats the value of `width` bytes at `value`. */
  fillValue(value: number, width: number, rowCount: number, target: number): void
  /** target[i] = start + i × step, int64. */
  iota64(start: bigint, step: bigint, rowCount: number, target: number): void
  /** target[selection[i]] = start + i for `count` u32 row numbers; other rows are not written. */
  iotaSelected64(start: bigint, selection: number, count: number, target: number): void
  /**
   * In place: indices of null rows, and those not below `limit`, become 0, so that `gather` is safe. Returns how many
   * valid rows had an index not below `limit` (with limit 0 null rows count too).
   */
  sanitizeIndices(indices: number, indexBytes: number, validity: number, rowCount: number, limit: number): number
  /**
   * The low four bits of byte g tell which of rows 4g … 4g + 3 to keep: writes their indices, u32 in order, and returns
   * how many. The masks may lie in the last sixteenth of the target's 16 × groups bytes.
   */
  masksToSelection(masks: number, groups: number, target: number): number
  /** target[i] = a[i] & b[i] for validity bytes; the target may be a or b. Returns the number of zeroes. */
  andValidity(a: number, b: number, rowCount: number, target: number): number
}

/** assembly/strings.ts */
export interface StringKernels {
  /** 64-bit hash of bytes, for strings longer than 12 bytes. */
  hashBytes(address: number, length: number): bigint
  /** 1 if two views (addresses of views) are equal. */
  viewEqual(a: number, b: number): number
  /** Order by unsigned UTF-8 bytes: -1, 0, 1. Arguments are addresses of views. */
  viewCompare(a: number, b: number): number
  /**
   * Address of the view of the greatest (flip 0) or least (flip -1) selected, valid string, the first among equals; 0 =
   * there is none. validity 0 = no nulls, selection 0 = all rows.
   */
  viewExtreme(views: number, validity: number, selection: number, rowCount: number, flip: bigint): number
  /**
   * Copies views and the bytes of long strings to heap … heapEnd. Null rows get the empty view.
   * @returns heap bytes used, or -1 when they do not fit
   */
  copyViews(
    views: number,
    validity: number,
    selection: number,
    rowCount: number,
    target: number,
    heap: number,
    heapEnd: number,
  ): number
  /** Order of bytes: -1, 0, 1. */
  compareBytes(a: number, aLength: number, b: number, bLength: number): number
}
