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
import { type GroupByExports, LOCAL_HEADER_BYTES, localStore, PARTITION_BYTES, stopReason } from '@spillway/codegen'
import { descriptor } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import { align16, type GroupTableOptions, groupTableBytes } from './group-table-options.ts'
import { decodeCodes } from '../../pipeline/column-codes.ts'
import { CodeMap } from './code-map.ts'
import { DirectMap } from './direct-map.ts'
import { GroupDirectory } from './group-directory.ts'
import { LookupPolicy } from './lookup-policy.ts'
import { addHeapPages, addRowPage } from './partition-pages.ts'
import { forEachRowRun, type RowChain, RowCursor, releasePages } from './row-chain.ts'
import { StoreFields } from './store-fields.ts'
import { TOUCH_ROWS, TouchAhead } from './touch-ahead.ts'

export { type PageSource, type RowChain, releaseChain } from './row-chain.ts'

export type JobStatus = 'done' | 'refused'

export class GroupTable {
  readonly #options: GroupTableOptions
  readonly #local: number
  readonly #hashes: number
  readonly #rows: number
  readonly #partitionCount: number
  readonly #lookups: LookupPolicy
  readonly #fields: StoreFields
  readonly #direct: DirectMap
  readonly #codes: CodeMap
  readonly #touch: TouchAhead
  readonly #directory: GroupDirectory
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
    const { partitionBits, workspace, batchRows, memory } = options
    assert(workspace % 16 === 0, 'the workspace is 16-byte aligned')
    this.#options = options
    this.#lookups = new LookupPolicy(options.lookupWindowRows)
    this.#partitionCount = 2 ** partitionBits
    this.#local = workspace
    this.#hashes = workspace + align16(LOCAL_HEADER_BYTES + PARTITION_BYTES * this.#partitionCount)
    this.#rows = this.#hashes + align16(batchRows * 8)
    this.#fields = new StoreFields(memory, workspace)
    this.#direct = new DirectMap(this.#fields)
    this.#codes = new CodeMap(this.#fields, options.codedKeys)
    this.#touch = new TouchAhead(options.kernels, this.#fields, options.layout, options.stringColumns)
    this.#fields.bytesAt(workspace, this.#hashes - workspace).fill(0)
    this.#fields.set(localStore.partitionBits, partitionBits)
    this.#fields.set(localStore.levelShift, options.levelShift)
    this.#directory = new GroupDirectory(options, this.#fields, this.#rows + align16(batchRows * 4))
    this.#placeMaps()
  }

  /**
   * Adds a batch: kind 0 feeds all aggregates, kind j ≥ 1 the j-th nUnique counter.
   * The batch must stay as it is until the job is done.
   */
  consume(batch: number, kind: number): JobStatus {
    const count = this.#fields.u32(batch + descriptor.selectionCount)
    assert(count <= this.#options.batchRows, 'a batch has at most batchRows rows')
    if (this.#options.keyCount === 0) return this.#start(this.#singleJob(batch, kind, count))
    const { exports, codedKeys } = this.#options
    const isFused =
      kind === 0 && !this.#lookups.isAppending && !this.#directory.isLarge && exports.upsertUpdate0 !== undefined
    if (kind === 0 && codedKeys.length > 0) {
      const coded = exports.upsertUpdateCoded0
      if (isFused && coded !== undefined && this.#codes.tryOpen(batch)) {
        return this.#start(this.#codedJob(coded, batch, count))
      }
      for (const key of codedKeys) decodeCodes(this.#options, this.#fields.words, batch, key.column, key.width)
    }
    if (isFused && exports.upsertUpdate0 !== undefined) {
      return this.#start(this.#fusedJob(exports.upsertUpdate0, exports.upsertUpdateDirect0, batch, count))
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
    const count = this.#fields.u32(batch + descriptor.rowCount)
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

  /** Rows of another source follow, of which more may find their group. */
  restartLookups(): void {
    this.#lookups.restart()
    this.#fields.set(localStore.newRows, 0)
  }

  /** Rows that were appended without look-up (a metric). */
  get appendedRows(): number {
    return this.#lookups.appendedRows
  }
  /** Rows that the direct map found, or that were new (a metric). */
  get directRows(): number {
    return this.#direct.directRows
  }
  /** Rows that were looked up by dictionary codes (a metric). */
  get codedRows(): number {
    return this.#codes.codedRows
  }
  /** Rows whose groups were touched before they were looked up (a metric). */
  get touchedRows(): number {
    return this.#touch.touchedRows
  }
  get partitionCount(): number {
    return this.#partitionCount
  }

  partitionBytes(partition: number): number {
    return (this.#fields.part(partition, 'rowPages') + this.#fields.part(partition, 'heapPages')) * PAGE_BYTES
  }

  /** Bytes of strings that its rows keep, or kept before another one took their place. */
  partitionStringBytes(partition: number): number {
    const free = this.#fields.part(partition, 'heapEnd') - this.#fields.part(partition, 'heapCursor')
    return this.#fields.part(partition, 'heapPages') * PAGE_BYTES - free
  }

  /** Rows, duplicates included. */
  partitionRows(partition: number): number {
    return this.#fields.part(partition, 'rowCount')
  }

  /** Slots of the directory that are taken. */
  get entries(): number {
    let entries = 0
    for (let each = 0; each < this.#partitionCount; each++) entries += this.#fields.part(each, 'entryCount')
    return entries
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
      rowHead: this.#fields.part(partition, 'rowHead'),
      heapHead: this.#fields.part(partition, 'heapHead'),
      rowCount: this.#fields.part(partition, 'rowCount'),
      rowPages: this.#fields.part(partition, 'rowPages'),
      heapPages: this.#fields.part(partition, 'heapPages'),
    }
    this.#directory.clearRange(partition)
    this.#direct.forget()
    this.#codes.forget()
    this.#fields.bytesAt(this.#fields.partitionAddress(partition), PARTITION_BYTES).fill(0)
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
        const end = Math.min(count, from + window, this.#directory.isLarge ? from + TOUCH_ROWS : count)
        window *= 2
        if (this.#directory.isLarge) this.#touchAhead(batch, kind, from, end)
        const found = this.#findRows(batch, kind, from, end)
        const reason = this.#fields.get(localStore.stopReason)
        const partition = this.#fields.get(localStore.stopPartition)
        const heapPages = this.#fields.get(localStore.stopPages)
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
  #fusedJob(
    plain: NonNullable<GroupByExports['upsertUpdate0']>,
    direct: GroupByExports['upsertUpdateDirect0'],
    batch: number,
    count: number,
  ): () => JobStatus {
    const run = this.#direct.isOn && direct !== undefined ? direct : plain
    let updated = 0
    return () => {
      for (;;) {
        if (run === direct && this.#direct.prepare()) this.#codes.forget()
        const before = updated
        updated = run(batch, this.#local, updated) >>> 0
        this.jobProgress += updated - before
        if (updated === count) break
        if (!this.#supply()) return 'refused'
      }
      if (direct !== undefined) this.#direct.note(count)
      this.#noteRows(count)
      return 'done'
    }
  }

  /** The same by dictionary codes. */
  #codedJob(run: NonNullable<GroupByExports['upsertUpdateCoded0']>, batch: number, count: number): () => JobStatus {
    let updated = 0
    return () => {
      for (;;) {
        if (this.#codes.prepare()) this.#direct.forget()
        const before = updated
        updated = run(batch, this.#local, updated, this.#codes.address) >>> 0
        this.jobProgress += updated - before
        if (updated === count) break
        if (!this.#supply()) return 'refused'
      }
      this.#codes.codedRows += count
      this.#noteRows(count)
      return 'done'
    }
  }

  #touchAhead(batch: number, kind: number, start: number, end: number): void {
    if (!this.#lookups.isAppending) this.#touch.groups(this.#hashes, start, end, this.#rows)
    if (kind === 0) this.#touch.operands(batch, start, end)
  }

  /** Finds or makes the rows [start, end) of the batch; returns where it stopped. */
  #findRows(batch: number, kind: number, start: number, end: number): number {
    const { upsert0, upsert1, append0, append1 } = this.#options.exports
    const own = kind === 0
    const find = this.#lookups.isAppending ? (own ? append0 : append1) : own ? upsert0 : upsert1
    const count = this.#fields.u32(batch + descriptor.selectionCount)
    if (end === count) return find(batch, this.#hashes, this.#local, this.#rows, start) >>> 0
    this.#fields.setU32(batch + descriptor.selectionCount, end)
    const found = find(batch, this.#hashes, this.#local, this.#rows, start) >>> 0
    this.#fields.setU32(batch + descriptor.selectionCount, count)
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
    const { kernels, layout, batchRows } = this.#options
    let runsDone = 0
    let start = 0
    return () => {
      let status: JobStatus = 'done'
      let runIndex = 0
      forEachRowRun(kernels, layout, chain, (first, rowCount) => {
        if (runIndex++ < runsDone) return true
        // Rows that are only moved look nothing up.
        const touches = mustLink && this.#directory.isLarge
        while (start < rowCount) {
          const before = start
          const end = touches ? Math.min(rowCount, start + batchRows) : rowCount
          if (touches) this.#touch.adjacent(first + start * layout.rowBytes, end - start, this.#rows)
          start = run(first, end, start)
          this.jobProgress += start - before
          if (start < end && !this.#supply(mustLink)) {
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
    if (this.#lookups.note(rows, this.#fields.get(localStore.newRows))) this.#fields.set(localStore.newRows, 0)
  }

  /** Provides what the last call stopped for; false = refused. */
  #supply(mustLink = false): boolean {
    const reason = this.#fields.get(localStore.stopReason)
    return this.#supplyFor(
      reason,
      this.#fields.get(localStore.stopPartition),
      this.#fields.get(localStore.stopPages),
      mustLink,
    )
  }

  #supplyFor(reason: number, partition: number, heapPages: number, mustLink = false): boolean {
    switch (reason) {
      case stopReason.rowPage:
        return addRowPage(this.#fields, this.#options, partition)
      case stopReason.heapPages:
        return addHeapPages(this.#fields, this.#options, partition, heapPages)
      case stopReason.rangeFull:
        if (this.#directory.grow()) this.#placeMaps()
        else if (mustLink) return false
        else {
          this.abandonedRanges++
          this.#directory.clearRange(partition)
        }
        return true
      default:
        throw new RangeError(`A generated function stopped without a reason: ${reason}`)
    }
  }

  /** The maps by key and by code lie in the area that the directory leaves free. */
  #placeMaps(): void {
    const { address, bytes } = this.#directory.freeArea
    this.#direct.place(address, bytes, this.#directory.bits)
    this.#codes.place(address, bytes)
  }
}
