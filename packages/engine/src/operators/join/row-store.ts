/**
 * Rows of one side of a join in radix partitions: the driver of a rows module, which gives it the pages it stops for.
 * It holds no policy: when a page is refused it says so, the caller frees memory and calls `resume`.
 *
 * One job (a batch, a chain) is under way at a time. Between jobs, and while one is refused, any partition may be
 * taken.
 */
import {
  joinStore,
  type JoinRowsExports,
  KEY_RANGE_BYTES,
  KEY_RANGES_MAX,
  LOCAL_HEADER_BYTES,
  localStore,
  PARTITION_BYTES,
  stopReason,
} from '@spillway/codegen'
import type { RowLayout } from '@spillway/codegen'
import { descriptor } from '@spillway/columnar'
import { type ArenaKernels, PAGE_BYTES, type RowKernels } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import type { JobStatus } from '../group-by/group-table.ts'
import { addHeapPages, addRowPage } from '../group-by/partition-pages.ts'
import type { PageSource, RowChain } from '../group-by/row-chain.ts'
import type { RowHolder } from '../group-by/row-shape.ts'
import { StoreFields } from '../group-by/store-fields.ts'

export interface RowStoreOptions {
  readonly memory: WebAssembly.Memory
  readonly kernels: ArenaKernels & RowKernels
  readonly exports: JoinRowsExports
  readonly layout: RowLayout
  readonly pages: PageSource
  /** Address of `rowStoreBytes(partitionBits)` bytes, 16-byte aligned. */
  readonly workspace: number
  readonly partitionBits: number
  /** Hash bits used up by earlier levels of partitioning. */
  readonly levelShift: number
}

const NO_LEAST_KEY = 2n ** 63n - 1n
const NO_GREATEST_KEY = -(2n ** 63n)

/** The least and the greatest value of a key, as its word reads when signed; least > greatest without any. */
export interface KeyRange {
  readonly leastKey: bigint
  readonly greatestKey: bigint
}

/** Bytes of workspace that a store needs. */
export function rowStoreBytes(partitionBits: number): number {
  return keyRangesOffset(partitionBits) + KEY_RANGES_MAX * KEY_RANGE_BYTES
}

/** The ranges of keys lie behind the partitions. */
const keyRangesOffset = (partitionBits: number): number => LOCAL_HEADER_BYTES + PARTITION_BYTES * 2 ** partitionBits

export class RowStore implements RowHolder {
  readonly #options: RowStoreOptions
  readonly #fields: StoreFields
  readonly partitionCount: number
  readonly #ranges: BigInt64Array
  #job: (() => JobStatus) | undefined
  #takenBytes = 0
  jobProgress = 0

  constructor(options: RowStoreOptions) {
    const { workspace, partitionBits, levelShift, memory } = options
    assert(workspace % 16 === 0, 'the workspace is 16-byte aligned')
    this.#options = options
    this.#fields = new StoreFields(memory, workspace)
    this.partitionCount = 2 ** partitionBits
    this.#fields.bytesAt(workspace, rowStoreBytes(partitionBits)).fill(0)
    this.#fields.set(localStore.partitionBits, partitionBits)
    this.#fields.set(localStore.levelShift, levelShift)
    const ranges = workspace + keyRangesOffset(partitionBits)
    this.#fields.set(joinStore.keyRanges, ranges)
    this.#ranges = new BigInt64Array(memory.buffer, ranges, (KEY_RANGES_MAX * KEY_RANGE_BYTES) / 8)
    for (let range = 0; range < KEY_RANGES_MAX; range++) this.#ranges.set([NO_LEAST_KEY, NO_GREATEST_KEY], range * 2)
  }

  /** Appends the selected rows of a batch, which must stay as it is until the job is done. */
  append(batch: number): JobStatus {
    const { exports, workspace } = this.#options
    const count = this.#fields.u32(batch + descriptor.selectionCount)
    return this.#start(this.#rowsJob(count, (start) => exports.append(batch, workspace, start)))
  }

  /** Appends raw rows: a batch of spillSchema without selection. */
  loadBatch(batch: number): JobStatus {
    const { exports, workspace } = this.#options
    const count = this.#fields.u32(batch + descriptor.rowCount)
    return this.#start(this.#rowsJob(count, (start) => exports.loadRows(batch, workspace, start)))
  }

  /** Continues a refused job. */
  resume(): JobStatus {
    assert(this.#job !== undefined, 'resume follows a refusal')
    return this.#start(this.#job)
  }

  /** Ends a refused `loadBatch`: its first rows are in, in whole, and the others never will be. Returns how many. */
  dropLoad(rowsBefore: number): number {
    assert(this.#job !== undefined, 'a load is dropped after a refusal')
    this.#job = undefined
    return this.totalRows() - rowsBefore
  }

  partitionBytes(partition: number): number {
    return (this.#fields.part(partition, 'rowPages') + this.#fields.part(partition, 'heapPages')) * PAGE_BYTES
  }

  /** Bytes of rows and strings, without what is still free in their pages. */
  partitionFilledBytes(partition: number): number {
    const free = this.#fields.part(partition, 'heapEnd') - this.#fields.part(partition, 'heapCursor')
    const heap = this.#fields.part(partition, 'heapPages') * PAGE_BYTES - free
    return this.#fields.part(partition, 'rowCount') * this.#options.layout.rowBytes + heap
  }

  /** Bytes of all rows and strings that were ever put in: what amplification is measured by. */
  get filledBytes(): number {
    let bytes = this.#takenBytes
    for (let partition = 0; partition < this.partitionCount; partition++) bytes += this.partitionFilledBytes(partition)
    return bytes
  }

  /** Of the keys that `append` met: the range of the index-th one that has a range. */
  keyRange(index: number): KeyRange {
    assert(index < KEY_RANGES_MAX, 'a key that has a range is one of few')
    return { leastKey: this.#ranges[index * 2] as bigint, greatestKey: this.#ranges[index * 2 + 1] as bigint }
  }

  /** Bytes of all pages. */
  totalBytes(): number {
    let bytes = 0
    for (let partition = 0; partition < this.partitionCount; partition++) bytes += this.partitionBytes(partition)
    return bytes
  }

  totalRows(): number {
    let rows = 0
    for (let partition = 0; partition < this.partitionCount; partition++) {
      rows += this.#fields.part(partition, 'rowCount')
    }
    return rows
  }

  largestPartition(): number {
    return this.lastOfLarge(1)
  }

  /**
   * The last partition that is filled with at least `share` of the bytes of the fullest one, or -1 when all are empty.
   * Workers that spill by this rule spill the same partitions, as long as their sizes are alike. What counts is how
   * full they are: one that was just spilled has a page again, but hardly a row.
   */
  lastOfLarge(share: number): number {
    let most = 0
    for (let partition = 0; partition < this.partitionCount; partition++) {
      most = Math.max(most, this.partitionFilledBytes(partition))
    }
    let last = this.partitionCount - 1
    while (last >= 0 && (this.partitionBytes(last) === 0 || this.partitionFilledBytes(last) < most * share)) last -= 1
    return last
  }

  /** Detaches the partition's pages. The chain is the caller's. */
  takePartition(partition: number): RowChain {
    const chain: RowChain = {
      rowHead: this.#fields.part(partition, 'rowHead'),
      heapHead: this.#fields.part(partition, 'heapHead'),
      rowCount: this.#fields.part(partition, 'rowCount'),
      rowPages: this.#fields.part(partition, 'rowPages'),
      heapPages: this.#fields.part(partition, 'heapPages'),
    }
    this.#takenBytes += this.partitionFilledBytes(partition)
    this.#fields.bytesAt(this.#fields.partitionAddress(partition), PARTITION_BYTES).fill(0)
    return chain
  }

  #start(job: () => JobStatus): JobStatus {
    assert(this.#job === undefined || this.#job === job, 'a refused job is resumed before another one starts')
    const status = job()
    this.#job = status === 'done' ? undefined : job
    return status
  }

  #rowsJob(count: number, run: (start: number) => number): () => JobStatus {
    let done = 0
    return () => {
      for (;;) {
        const before = done
        done = run(done) >>> 0
        this.jobProgress += done - before
        if (done === count) return 'done'
        if (!this.#supply()) return 'refused'
      }
    }
  }

  /** Provides what the last call stopped for; false = refused. */
  #supply(): boolean {
    const partition = this.#fields.get(localStore.stopPartition)
    const reason = this.#fields.get(localStore.stopReason)
    if (reason === stopReason.rowPage) return addRowPage(this.#fields, this.#options, partition)
    assert(reason === stopReason.heapPages, 'a generated function says what it stopped for')
    return addHeapPages(this.#fields, this.#options, partition, this.#fields.get(localStore.stopPages))
  }
}
