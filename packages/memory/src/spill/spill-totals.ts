/**
 * What the engine keeps of a spill file in the arena: enough to find and verify its footer from any worker.
 *
 *   u64 rows | u64 data bytes (offset of the footer) | u64 file bytes | u64 footer checksum | u32 blocks | u32 zero
 *
 * Plain stores: whoever shares the struct publishes it with its own lock or atomic.
 */
import { assert } from '@spillway/stdx'

/** Size of the struct; it lies at an address divisible by 8. */
export const SPILL_TOTALS_BYTES = 40

export interface SpillTotals {
  readonly rows: number
  /** Where the footer starts and the next block will be written; 0 while there is no file. */
  readonly dataBytes: number
  /** Bytes of the file, and what it costs the quota. */
  readonly bytes: number
  readonly footerChecksum: bigint
  readonly blockCount: number
}

export function encodeSpillTotals(totals: SpillTotals, target: DataView, address: number): void {
  assert(address % 8 === 0, 'spill totals lie on an 8-byte boundary')
  assert(totals.dataBytes <= totals.bytes, 'a footer lies within its file')
  target.setBigUint64(address, BigInt(totals.rows), true)
  target.setBigUint64(address + 8, BigInt(totals.dataBytes), true)
  target.setBigUint64(address + 16, BigInt(totals.bytes), true)
  target.setBigUint64(address + 24, totals.footerChecksum, true)
  target.setUint32(address + 32, totals.blockCount, true)
  target.setUint32(address + 36, 0, true)
}

export function decodeSpillTotals(source: DataView, address: number): SpillTotals {
  assert(address % 8 === 0, 'spill totals lie on an 8-byte boundary')
  return {
    rows: Number(source.getBigUint64(address, true)),
    dataBytes: Number(source.getBigUint64(address + 8, true)),
    bytes: Number(source.getBigUint64(address + 16, true)),
    footerChecksum: source.getBigUint64(address + 24, true),
    blockCount: source.getUint32(address + 32, true),
  }
}
