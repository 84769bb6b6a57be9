/**
 * The global state of a group-by: per worker, one fixed-layout entry per partition, in the arena.
 *
 *   u32 rowHead | u32 heapHead | u32 rowCount | u32 rowPages | u32 heapPages | u16 distinct | u16 zero |
 *   u32 lock | u32 zero | spill totals (40 bytes)
 *
 * Written by the worker that publishes; then by the holder of the partition's lock (see published-groups.ts).
 */
import { decodeSpillTotals, encodeSpillTotals, SPILL_TOTALS_BYTES, type SpillTotals } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import type { RowChain } from './row-chain.ts'

const HEAD_BYTES = 32
const LOCK_OFFSET = 24

/** States of a partition's lock. */
export const partitionLock = { free: 0, claimed: 1, spilling: 2 } as const

/** Index of an entry's lock among the arena's u32 words. */
export const lockWord = (address: number): number => (address + LOCK_OFFSET) >>> 2

export const PUBLISHED_PARTITION_BYTES = HEAD_BYTES + SPILL_TOTALS_BYTES

export interface PublishedPartition {
  readonly chain: RowChain
  readonly spilled: SpillTotals
  /** No two rows of the chain have the same key. */
  readonly isDistinct: boolean
}

/** Leaves the lock as it is. */
export function writePublished(view: DataView, address: number, partition: PublishedPartition): void {
  assert(address % 8 === 0, 'a published partition lies on an 8-byte boundary')
  const { chain } = partition
  view.setUint32(address, chain.rowHead, true)
  view.setUint32(address + 4, chain.heapHead, true)
  view.setUint32(address + 8, chain.rowCount, true)
  view.setUint32(address + 12, chain.rowPages, true)
  view.setUint32(address + 16, chain.heapPages, true)
  view.setUint32(address + 20, partition.isDistinct ? 1 : 0, true)
  encodeSpillTotals(partition.spilled, view, address + HEAD_BYTES)
}

export function readPublished(view: DataView, address: number): PublishedPartition {
  return {
    chain: {
      rowHead: view.getUint32(address, true),
      heapHead: view.getUint32(address + 4, true),
      rowCount: view.getUint32(address + 8, true),
      rowPages: view.getUint32(address + 12, true),
      heapPages: view.getUint32(address + 16, true),
    },
    spilled: decodeSpillTotals(view, address + HEAD_BYTES),
    isDistinct: view.getUint32(address + 20, true) === 1,
  }
}
