// The page allocator: hands out 64 KiB pages of the shared memory, lowest address first, to all threads.
//
//   next    u32 per page: the chain a page belongs to (written by the owner of the page, without the lock)
//   owner   u16 per page: 0 = free, 0xFFFF = fixed (control, page table, guard)
//
// Counters are written under the lock but with atomic stores, so that other threads may watch them without it.
// The last page of the memory is a guard that is never handed out: any buffer may be read 16 bytes past its end.
// The layout of control words is packages/kernels/src/arena-layout.ts; the numbers below must equal it (tested).

const PAGE_SHIFT: u32 = 16
const PAGE_BYTES: u32 = 65536
const CONTROL: usize = 65536
const PAGE_TABLE: usize = 131072

const PAGE_COUNT: usize = CONTROL
const CAP_PAGES: usize = CONTROL + 4
const USED_PAGES: usize = CONTROL + 8
const HIGH_WATER_PAGES: usize = CONTROL + 12
const RESERVED_PAGES: usize = CONTROL + 16
const LOCK: usize = CONTROL + 20
const FIRST_FREE_HINT: usize = CONTROL + 24
const POISON: usize = CONTROL + 28
const RESERVABLE_PAGES: usize = CONTROL + 32
const PEAK_USED_PAGES: usize = CONTROL + 36

const OWNER_FREE: u16 = 0
const OWNER_FIXED: u16 = 0xffff
const POISON_BYTE: u8 = 0xdb

@inline
function nextAddress(page: u32): usize {
  return PAGE_TABLE + (<usize>page << 2)
}

@inline
function ownerTable(): usize {
  return PAGE_TABLE + (<usize>atomic.load<u32>(PAGE_COUNT) << 2)
}

/**
 * Spins: the lock is held for about a microsecond. There is no `memory.atomic.wait` here on purpose: V8 11.3 (Node 20)
 * loses a local of the waiting function across it, and pages were freed at a wrong address (decisions/0013).
 */
function lock(): void {
  while (atomic.cmpxchg<i32>(LOCK, 0, 1) != 0) {
    while (atomic.load<i32>(LOCK) != 0) {}
  }
}

@inline
function unlock(): void {
  atomic.store<i32>(LOCK, 0)
}

/**
 * Writes control words and page table. Once per arena, before any other thread sees it.
 * The cap becomes all pages, and all allocatable pages may be reserved; the owner of the arena lowers both.
 */
export function arenaInit(pageCount: u32): void {
  memory.fill(CONTROL, 0, PAGE_BYTES)
  store<u32>(PAGE_COUNT, pageCount)
  const tableBytes = <usize>pageCount * 6
  memory.fill(PAGE_TABLE, 0, tableBytes)
  const firstPage = arenaFirstPage()
  const owners = ownerTable()
  for (let page: u32 = 0; page < firstPage; page++) store<u16>(owners + (<usize>page << 1), OWNER_FIXED)
  store<u16>(owners + (<usize>(pageCount - 1) << 1), OWNER_FIXED)
  store<u32>(CAP_PAGES, pageCount)
  store<u32>(RESERVABLE_PAGES, pageCount - 1 - firstPage)
  store<u32>(HIGH_WATER_PAGES, firstPage)
  atomic.store<u32>(FIRST_FREE_HINT, firstPage)
}

/** First index of an allocatable page. */
export function arenaFirstPage(): u32 {
  const tableBytes = <usize>atomic.load<u32>(PAGE_COUNT) * 6
  return <u32>((PAGE_TABLE + tableBytes + PAGE_BYTES - 1) >>> PAGE_SHIFT)
}

/** First page at or after `page` that is free, or `limit`. Skips eight taken pages at a time. */
function findFree(owners: usize, page: u32, limit: u32): u32 {
  while (page + 8 <= limit) {
    const taken = v128.load(owners + (<usize>page << 1))
    const free = i16x8.bitmask(i16x8.eq(taken, i16x8.splat(0)))
    if (free != 0) return page + ctz(free)
    page += 8
  }
  while (page < limit && load<u16>(owners + (<usize>page << 1)) != OWNER_FREE) page++
  return page
}

/** First page of the first run of `count` free pages at or after `page`, or `limit`. */
function findRun(owners: usize, page: u32, limit: u32, count: u32): u32 {
  while (true) {
    page = findFree(owners, page, limit)
    if (limit - page < count) return limit
    let length: u32 = 1
    while (length < count && load<u16>(owners + (<usize>(page + length) << 1)) == OWNER_FREE) length++
    if (length == count) return page
    page += length
  }
}

/**
 * Allocates `count` contiguous pages, lowest address first, below the cap. Thread-safe. Each page's chain link is 0.
 * @param owner 1 … 65534; `ownerFree` frees all pages of an owner.
 * @returns address, or 0 when there is no such run
 */
export function pageAlloc(owner: u32, count: u32): usize {
  if (count == 0) return 0
  lock()
  const owners = ownerTable()
  const pageCount = load<u32>(PAGE_COUNT)
  const cap = atomic.load<u32>(CAP_PAGES)
  const limit = min(cap, pageCount)
  const hint = load<u32>(FIRST_FREE_HINT)
  const firstFree = findFree(owners, hint, pageCount)
  // What lies below the first free page stays taken until a page is freed, whatever the cap is.
  let nextHint = firstFree
  let page = limit
  if (firstFree < limit) page = count == 1 ? firstFree : findRun(owners, firstFree, limit, count)
  if (page >= limit) {
    atomic.store<u32>(FIRST_FREE_HINT, nextHint)
    unlock()
    return 0
  }
  const end = page + count
  for (let index = page; index < end; index++) {
    store<u16>(owners + (<usize>index << 1), <u16>owner)
    store<u32>(nextAddress(index), 0)
  }
  if (page == nextHint) nextHint = end
  atomic.store<u32>(FIRST_FREE_HINT, nextHint)
  const used = load<u32>(USED_PAGES) + count
  atomic.store<u32>(USED_PAGES, used)
  if (used > atomic.load<u32>(PEAK_USED_PAGES)) atomic.store<u32>(PEAK_USED_PAGES, used)
  if (end > load<u32>(HIGH_WATER_PAGES)) atomic.store<u32>(HIGH_WATER_PAGES, end)
  unlock()
  return <usize>page << PAGE_SHIFT
}

@inline
function poison(page: u32, count: u32): void {
  if (atomic.load<u32>(POISON) != 0) memory.fill(<usize>page << PAGE_SHIFT, POISON_BYTE, <usize>count << PAGE_SHIFT)
}

/** Marks pages free; the lock must be held. Returns false when one of them is not allocated (then nothing changed). */
function freeLocked(page: u32, count: u32): bool {
  const owners = ownerTable()
  if (page + count > load<u32>(PAGE_COUNT)) return false
  for (let index = page; index < page + count; index++) {
    const owner = load<u16>(owners + (<usize>index << 1))
    if (owner == OWNER_FREE || owner == OWNER_FIXED) return false
  }
  for (let index = page; index < page + count; index++) store<u16>(owners + (<usize>index << 1), OWNER_FREE)
  atomic.store<u32>(USED_PAGES, load<u32>(USED_PAGES) - count)
  if (page < load<u32>(FIRST_FREE_HINT)) atomic.store<u32>(FIRST_FREE_HINT, page)
  return true
}

/**
 * Frees `count` pages from the page that `address` lies in. Traps when one of them is not allocated: freeing twice is a
 * bug that must not be survived, since another thread may already own the page.
 */
export function pageFree(address: usize, count: u32): void {
  if (count == 0) return
  const page = <u32>(address >>> PAGE_SHIFT)
  poison(page, count)
  lock()
  const freed = freeLocked(page, count)
  unlock()
  if (!freed) unreachable()
}

/** Frees every page of `owner`; returns how many. No other thread may use them or allocate for this owner. */
export function ownerFree(owner: u32): u32 {
  if (owner == 0 || owner >= OWNER_FIXED) return 0
  lock()
  const owners = ownerTable()
  const end = load<u32>(HIGH_WATER_PAGES)
  let freed: u32 = 0
  for (let page = arenaFirstPage(); page < end; page++) {
    if (load<u16>(owners + (<usize>page << 1)) != <u16>owner) continue
    poison(page, 1)
    freeLocked(page, 1)
    freed++
  }
  unlock()
  return freed
}

/** How many pages `owner` holds. */
export function ownerPages(owner: u32): u32 {
  const owners = ownerTable()
  const end = atomic.load<u32>(HIGH_WATER_PAGES)
  let pages: u32 = 0
  for (let page = arenaFirstPage(); page < end; page++) {
    pages += u32(load<u16>(owners + (<usize>page << 1)) == <u16>owner)
  }
  return pages
}

/** Address of the next page of the chain that the page of `address` belongs to, or 0. */
export function pageNextGet(address: usize): usize {
  return load<u32>(nextAddress(<u32>(address >>> PAGE_SHIFT)))
}

/** Links the page of `address` to `next` (an address or 0). */
export function pageNextSet(address: usize, next: usize): void {
  store<u32>(nextAddress(<u32>(address >>> PAGE_SHIFT)), <u32>next)
}

/** Frees all pages of the chain that starts at `address` (0 = empty chain); returns how many. */
export function chainFree(address: usize): u32 {
  let pages: u32 = 0
  if (atomic.load<u32>(POISON) != 0) {
    for (let at = address; at != 0; at = pageNextGet(at)) poison(<u32>(at >>> PAGE_SHIFT), 1)
  }
  let freed = true
  lock()
  while (address != 0 && freed) {
    const next = pageNextGet(address)
    freed = freeLocked(<u32>(address >>> PAGE_SHIFT), 1)
    address = next
    pages++
  }
  unlock()
  if (!freed) unreachable()
  return pages
}

/** Promises `pages` if reservedPages + pages ≤ reservablePages. 1 = granted, 0 = refused. */
export function reserve(pages: u32): u32 {
  while (true) {
    const reserved = atomic.load<u32>(RESERVED_PAGES)
    // In 64 bits, so that a huge request cannot wrap around.
    if (<u64>reserved + <u64>pages > <u64>atomic.load<u32>(RESERVABLE_PAGES)) return 0
    if (atomic.cmpxchg<u32>(RESERVED_PAGES, reserved, reserved + pages) == reserved) return 1
  }
}

/** Takes a promise back. */
export function release(pages: u32): void {
  atomic.sub<u32>(RESERVED_PAGES, pages)
}
