/**
 * The driver of a hash table of groups: it calls generated functions and gives them what they stop for: row pages, heap
 * pages, a larger directory. It holds no policy: when a page is refused it says so, the caller frees memory (spills a
 * partition, say) and calls `resume`.
 *
 * One job (a batch, a chain) is under way at a time. Between jobs, and while one is refused, any partition may be
 * taken. A refused job continues exactly where it was: rows of the batch whose states were updated are never updated
 * again; the others are looked up again, since their rows may have left with a partition.
 *
 * Memory: everything but the pages lies in the caller's workspace of `GroupTable.workspaceBytes(options)` bytes.
 */
import {
  type GroupByExports,
  LOCAL_HEADER_BYTES,
  localStore,
  PARTITION_BYTES,
  partitionStore,
  rowsPerPage,
  stopReason,
} from '@spillway/codegen'
import { descriptor } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import { align16, type GroupTableOptions, groupTableBytes } from './group-table-options.ts'
import { LookupPolicy } from './lookup-policy.ts'
import { firstSlot, forEachRowRun, type RowChain, RowCursor, releasePages } from './row-chain.ts'

export { type PageSource, type RowChain, releaseChain } from './row-chain.ts'

export type JobStatus = 'done' | 'refused'

/** A range is full at 70 % of its slots. */
const LOAD_FACTOR = 0.7

export class GroupTable {
  readonly #options: GroupTableOptions
  readonly #local: number
  readonly #hashes: number
  readonly #rows: number
  /** Two areas that directories of alternating size use in turn: the largest needs the first. */
  readonly #directoryAreas: readonly [number, number]
  readonly #partitionCount: number
  readonly #lookups: LookupPolicy
  /** Reading `memory.buffer` of a shared memory takes about a microsecond; an arena never grows. */
  readonly #words: Uint32Array
  readonly #bytes: Uint8Array
  #directoryBits: number
  #job: (() => JobStatus) | undefined
  #isFrozen = false
  /** The single row of a group-by without keys; 0 until the first batch, and after its partition was taken. */
  #single = 0
  /** Directory ranges that were cleared at the maximal capacity (a metric). */
  abandonedRanges = 0
  /** Rows that jobs have dealt with for good: two refusals at the same number had no progress between them. */
  jobProgress = 0

  static readonly workspaceBytes = groupTableBytes

  constructor(options: GroupTableOptions) {
    const { partitionBits, initialCapacityBits, maxCapacityBits, workspace, batchRows, memory } = options
    assert(initialCapacityBits > partitionBits, 'each partition has at least two directory slots')
    assert(maxCapacityBits >= initialCapacityBits, 'the largest directory is not smaller than the first one')
    assert(workspace % 16 === 0, 'the workspace is 16-byte aligned')
    this.#options = options
    this.#lookups = new LookupPolicy(options.lookupWindowRows)
    this.#partitionCount = 2 ** partitionBits
    this.#local = workspace
    this.#hashes = workspace + align16(LOCAL_HEADER_BYTES + PARTITION_BYTES * this.#partitionCount)
    this.#rows = this.#hashes + align16(batchRows * 8)
    const largest = this.#rows + align16(batchRows * 4)
    this.#directoryAreas = [largest, largest + 8 * 2 ** maxCapacityBits]
    this.#words = new Uint32Array(memory.buffer)
    this.#bytes = new Uint8Array(memory.buffer)
    this.#directoryBits = initialCapacityBits
    this.#bytesAt(workspace, this.#hashes - workspace).fill(0)
    this.#set(localStore.partitionBits, partitionBits)
    this.#set(localStore.levelShift, options.levelShift)
    this.#useDirectory()
    this.#bytesAt(this.#directory(), 8 * 2 ** initialCapacityBits).fill(0)
  }

  /**
   * Adds a batch: kind 0 feeds all aggregates, kind j ≥ 1 the j-th nUnique counter.
   * The batch must stay as it is until the job is done.
   */
  consume(batch: number, kind: number): JobStatus {
    const count = this.#u32(batch + descriptor.selectionCount)
    assert(count <= this.#options.batchRows, 'a batch has at most batchRows rows')
    if (this.#options.keyCount === 0) return this.#start(this.#singleJob(batch, kind, count))
    const { exports } = this.#options
    if (kind === 0 && !this.#lookups.isAppending && exports.upsertUpdate0 !== undefined) {
      return this.#start(this.#fusedJob(exports.upsertUpdate0, batch, count))
    }
    if (kind === 0) exports.hash0(batch, this.#hashes)
    else exports.hash1(batch, this.#hashes)
    return this.#start(this.#consumeJob(batch, kind, count))
  }

  /** Creates the group of a group-by without keys, which exists even without input. */
  ensureSingle(): JobStatus {
    return this.#start(() => (this.#findSingle() === 0 ? 'refused' : 'done'))
  }

  /** Appends raw rows: a batch of spillSchema without selection. */
  loadBatch(batch: number): JobStatus {
    const count = this.#u32(batch + descriptor.rowCount)
    let done = 0
    return this.#start(() => {
      for (;;) {
        const before = done
        done = this.#options.exports.loadRows(batch, this.#local, done) >>> 0
        this.jobProgress += done - before
        if (done === count) return 'done'
        if (!this.#supply()) return 'refused'
      }
    })
  }

  /** Copies the live rows of a chain into this table's partitions, without look-up. The chain stays the caller's. */
  transferChain(chain: RowChain): JobStatus {
    const { exports } = this.#options
    return this.#start(
      this.#pageJob(chain, (page, count, start) => exports.transfer(this.#local, page, count, start) >>> 0),
    )
  }

  /**
   * Links or merges the live rows of a chain where they lie: afterwards its dead rows are duplicates. Chain and heap
   * stay the caller's and must outlive this table's results. Refused when the directory is full at its largest size.
   */
  absorbChain(chain: RowChain): JobStatus {
    const { exports } = this.#options
    const run = this.#isFrozen ? exports.mergeMatching : exports.absorb
    return this.#start(this.#pageJob(chain, (page, count, start) => run(this.#local, page, count, start) >>> 0, true))
  }

  /**
   * From here on `absorbChain` only merges rows that have a match; the others stay live in their chain, unlinked.
   * Strings that are kept are copied into this table's pages, so the chain may be freed (a refusal means that a page
   * was refused), but then this table must stay open until its results are emitted.
   */
  freeze(): void {
    this.#isFrozen = true
  }

  /**
   * Ends a refused `loadBatch`: its first rows are in the table, in whole, and the others never will be.
   * @returns how many are in
   */
  dropLoad(rowsBefore: number): number {
    assert(this.#job !== undefined, 'a load is dropped after a refusal')
    this.#job = undefined
    return this.totalRows() - rowsBefore
  }

  /** Continues a refused job. */
  resume(): JobStatus {
    assert(this.#job !== undefined, 'resume follows a refusal')
    return this.#start(this.#job)
  }

  /** Rows that were appended without look-up (a metric). */
  get appendedRows(): number {
    return this.#lookups.appendedRows
  }
  get partitionCount(): number {
    return this.#partitionCount
  }

  partitionBytes(partition: number): number {
    return (this.#part(partition, 'rowPages') + this.#part(partition, 'heapPages')) * PAGE_BYTES
  }

  /** Rows, duplicates included. */
  partitionRows(partition: number): number {
    return this.#part(partition, 'rowCount')
  }

  /** Bytes of all pages. */
  totalBytes(): number {
    let bytes = 0
    for (let partition = 0; partition < this.#partitionCount; partition++) bytes += this.partitionBytes(partition)
    return bytes
  }

  totalRows(): number {
    let rows = 0
    for (let partition = 0; partition < this.#partitionCount; partition++) rows += this.partitionRows(partition)
    return rows
  }

  /** The partition with most bytes, or -1 when all are empty. */
  largestPartition(): number {
    let largest = -1
    let bytes = 0
    for (let partition = 0; partition < this.#partitionCount; partition++) {
      const own = this.partitionBytes(partition)
      if (own > bytes) {
        bytes = own
        largest = partition
      }
    }
    return largest
  }

  /** Detaches the partition's pages and clears its range of the directory. The chain is the caller's. */
  takePartition(partition: number): RowChain {
    const chain: RowChain = {
      rowHead: this.#part(partition, 'rowHead'),
      heapHead: this.#part(partition, 'heapHead'),
      rowCount: this.#part(partition, 'rowCount'),
      rowPages: this.#part(partition, 'rowPages'),
      heapPages: this.#part(partition, 'heapPages'),
    }
    this.#clearRange(partition)
    this.#bytesAt(this.#partitionAddress(partition), PARTITION_BYTES).fill(0)
    this.#single = 0
    return chain
  }

  /**
   * Calls back with the addresses (u32 × n) of the chain's live rows, `capacity` (at most batchRows) at a time. The
   * address array is valid during the call, and shared with `consume`: never while a job is refused is it kept.
   */
  forEachRowBlock(chain: RowChain, capacity: number, callback: (rowsAddress: number, n: number) => void): void {
    assert(capacity > 0 && capacity <= this.#options.batchRows, 'a block has 1 to batchRows rows')
    const cursor = new RowCursor(this.#options.kernels, this.#options.layout, chain)
    for (;;) {
      const n = cursor.next(this.#rows, capacity)
      if (n === 0) return
      callback(this.#rows, n)
    }
  }

  /** Gives all pages back. */
  close(): void {
    const { kernels, pages } = this.#options
    for (let partition = 0; partition < this.#partitionCount; partition++) {
      const { rowHead, heapHead } = this.takePartition(partition)
      releasePages(kernels, pages, rowHead)
      releasePages(kernels, pages, heapHead)
    }
    this.#job = undefined
  }

  #start(job: () => JobStatus): JobStatus {
    assert(this.#job === undefined || this.#job === job, 'a refused job is resumed before another one starts')
    const status = job()
    this.#job = status === 'done' ? undefined : job
    return status
  }

  /** Rows [0, updated) are in the states; rows from there on are looked up (again) before they are updated. */
  #consumeJob(batch: number, kind: number, count: number): () => JobStatus {
    const { exports } = this.#options
    const update = exports[`update${kind}`]
    assert(update !== undefined, 'the kind of a batch is 0 … nUniqueCount')
    let updated = 0
    let updatedAtEntry = -1
    return () => {
      // New rows may take all the memory before a state gets any: after a resume that brought nothing, few at a time.
      let window = updated === updatedAtEntry ? 1 : count
      updatedAtEntry = updated
      while (updated < count) {
        const from = updated
        const end = Math.min(count, from + window)
        window *= 2
        const found = this.#findRows(batch, kind, from, end)
        const reason = this.#get(localStore.stopReason)
        const partition = this.#get(localStore.stopPartition)
        const heapPages = this.#get(localStore.stopPages)
        while (updated < found) {
          const before = updated
          updated = update(batch, this.#rows, this.#local, updated, found) >>> 0
          this.jobProgress += updated - before
          if (updated < found && !this.#supply()) return 'refused'
        }
        this.#noteRows(found - from)
        if (found < end && !this.#supplyFor(reason, partition, heapPages)) return 'refused'
      }
      return 'done'
    }
  }

  /** Rows are updated as soon as they are found, so a refusal leaves nothing between. */
  #fusedJob(run: NonNullable<GroupByExports['upsertUpdate0']>, batch: number, count: number): () => JobStatus {
    let updated = 0
    return () => {
      for (;;) {
        const before = updated
        updated = run(batch, this.#local, updated) >>> 0
        this.jobProgress += updated - before
        if (updated === count) break
        if (!this.#supply()) return 'refused'
      }
      this.#noteRows(count)
      return 'done'
    }
  }

  /** Finds or makes the rows [start, end) of the batch; returns where it stopped. */
  #findRows(batch: number, kind: number, start: number, end: number): number {
    const { upsert0, upsert1, append0, append1 } = this.#options.exports
    const own = kind === 0
    const find = this.#lookups.isAppending ? (own ? append0 : append1) : own ? upsert0 : upsert1
    const count = this.#u32(batch + descriptor.selectionCount)
    if (end === count) return find(batch, this.#hashes, this.#local, this.#rows, start) >>> 0
    this.#words[(batch + descriptor.selectionCount) >>> 2] = end
    const found = find(batch, this.#hashes, this.#local, this.#rows, start) >>> 0
    this.#words[(batch + descriptor.selectionCount) >>> 2] = count
    return found
  }

  #singleJob(batch: number, kind: number, count: number): () => JobStatus {
    const { exports } = this.#options
    const update = exports[`updateSingle${kind}`]
    assert(update !== undefined, 'the kind of a batch is 0 … nUniqueCount')
    let updated = 0
    return () => {
      for (;;) {
        const row = this.#findSingle()
        if (row === 0) return 'refused'
        if (updated === count) return 'done'
        const before = updated
        updated = update(batch, row, this.#local, updated) >>> 0
        this.jobProgress += updated - before
        if (updated < count && !this.#supply()) return 'refused'
      }
    }
  }

  /** The single row, made if need be; 0 = refused. */
  #findSingle(): number {
    while (this.#single === 0) {
      this.#single = this.#options.exports.createSingle(this.#local) >>> 0
      if (this.#single === 0 && !this.#supply()) return 0
    }
    return this.#single
  }

  #pageJob(
    chain: RowChain,
    run: (page: number, rowCount: number, start: number) => number,
    mustLink = false,
  ): () => JobStatus {
    const { kernels, layout } = this.#options
    let runsDone = 0
    let start = 0
    return () => {
      let status: JobStatus = 'done'
      let runIndex = 0
      forEachRowRun(kernels, layout, chain, (first, rowCount) => {
        if (runIndex++ < runsDone) return true
        while (start < rowCount) {
          const before = start
          start = run(first, rowCount, start)
          this.jobProgress += start - before
          if (start < rowCount && !this.#supply(mustLink)) {
            status = 'refused'
            return false
          }
        }
        runsDone++
        start = 0
        return true
      })
      return status
    }
  }

  #noteRows(rows: number): void {
    if (this.#lookups.note(rows, this.#get(localStore.newRows))) this.#set(localStore.newRows, 0)
  }

  /** Provides what the last call stopped for; false = refused. */
  #supply(mustLink = false): boolean {
    const reason = this.#get(localStore.stopReason)
    return this.#supplyFor(reason, this.#get(localStore.stopPartition), this.#get(localStore.stopPages), mustLink)
  }

  #supplyFor(reason: number, partition: number, heapPages: number, mustLink = false): boolean {
    switch (reason) {
      case stopReason.rowPage:
        return this.#addRowPage(partition)
      case stopReason.heapPages:
        return this.#addHeapPages(partition, heapPages)
      case stopReason.rangeFull:
        if (this.#directoryBits < this.#options.maxCapacityBits) this.#growDirectory()
        else if (mustLink) return false
        else {
          this.abandonedRanges++
          this.#clearRange(partition)
        }
        return true
      default:
        throw new RangeError(`A generated function stopped without a reason: ${reason}`)
    }
  }

  /** Slots for more rows: what is left of the tail page's ring, or a new page. */
  #addRowPage(partition: number): boolean {
    const { rowBytes } = this.#options.layout
    const slots = rowsPerPage(this.#options.layout)
    const tail = this.#part(partition, 'rowTail')
    const start = firstSlot(tail, slots)
    if (tail !== 0 && start > 0 && this.#part(partition, 'rowEnd') === tail + slots * rowBytes) {
      this.#setPart(partition, 'rowCursor', tail)
      this.#setPart(partition, 'rowEnd', tail + start * rowBytes)
      return true
    }
    const page = this.#options.pages.take(1) >>> 0
    if (page === 0) return false
    this.#link(partition, 'rowHead', 'rowTail', page, 1)
    this.#setPart(partition, 'rowCursor', page + firstSlot(page, slots) * rowBytes)
    this.#setPart(partition, 'rowEnd', page + slots * rowBytes)
    this.#setPart(partition, 'rowPages', this.#part(partition, 'rowPages') + 1)
    return true
  }

  #addHeapPages(partition: number, count: number): boolean {
    const block = this.#options.pages.take(count) >>> 0
    if (block === 0) return false
    this.#link(partition, 'heapHead', 'heapTail', block, count)
    this.#setPart(partition, 'heapCursor', block)
    this.#setPart(partition, 'heapEnd', block + count * PAGE_BYTES)
    this.#setPart(partition, 'heapPages', this.#part(partition, 'heapPages') + count)
    return true
  }

  /** Links `count` contiguous pages behind the tail of a chain. */
  #link(partition: number, head: 'rowHead' | 'heapHead', tail: 'rowTail' | 'heapTail', block: number, count: number) {
    const { kernels } = this.#options
    const last = this.#part(partition, tail)
    if (last === 0) this.#setPart(partition, head, block)
    else kernels.pageNextSet(last, block)
    for (let index = 0; index + 1 < count; index++) {
      kernels.pageNextSet(block + index * PAGE_BYTES, block + (index + 1) * PAGE_BYTES)
    }
    const end = block + (count - 1) * PAGE_BYTES
    kernels.pageNextSet(end, 0)
    this.#setPart(partition, tail, end)
  }

  #growDirectory(): void {
    const { kernels, partitionBits, levelShift } = this.#options
    const from = this.#directory()
    const slots = 2 ** this.#directoryBits
    this.#directoryBits++
    this.#useDirectory()
    this.#bytesAt(this.#directory(), 16 * slots).fill(0)
    kernels.directoryRehash(from, slots, this.#directory(), this.#directoryBits, partitionBits, levelShift)
  }

  #clearRange(partition: number): void {
    const bytes = (8 * 2 ** this.#directoryBits) / this.#partitionCount
    this.#bytesAt(this.#directory() + partition * bytes, bytes).fill(0)
    this.#setPart(partition, 'entryCount', 0)
  }

  #useDirectory(): void {
    const slots = 2 ** this.#directoryBits / this.#partitionCount
    this.#set(localStore.directory, this.#directory())
    this.#set(localStore.directoryBits, this.#directoryBits)
    this.#set(localStore.rangeMask, slots - 1)
    this.#set(localStore.rangeLimit, Math.max(1, Math.floor(slots * LOAD_FACTOR)))
  }

  #directory(): number {
    return this.#directoryAreas[(this.#options.maxCapacityBits - this.#directoryBits) % 2 === 0 ? 0 : 1]
  }

  #partitionAddress(partition: number): number {
    return this.#local + LOCAL_HEADER_BYTES + partition * PARTITION_BYTES
  }

  #part(partition: number, field: keyof typeof partitionStore): number {
    return this.#u32(this.#partitionAddress(partition) + partitionStore[field])
  }

  #setPart(partition: number, field: keyof typeof partitionStore, value: number): void {
    this.#words[(this.#partitionAddress(partition) + partitionStore[field]) >>> 2] = value
  }

  #get(offset: number): number {
    return this.#u32(this.#local + offset)
  }

  #set(offset: number, value: number): void {
    this.#words[(this.#local + offset) >>> 2] = value
  }

  /** Reads a word anywhere in the arena. */
  #u32(address: number): number {
    return this.#words[address >>> 2] ?? 0
  }

  #bytesAt(address: number, bytes: number): Uint8Array {
    return this.#bytes.subarray(address, address + bytes)
  }
}
