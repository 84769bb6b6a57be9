/**
 * Sums of whole columns. assembly/sums.ts: columns without nulls. Null pointer selection = all rows, or u32 × rowCount.
 */
export interface SumKernels {
  sumI32(values: number, selection: number, rowCount: number): bigint
  sumU32(values: number, selection: number, rowCount: number): bigint
  /** Added in an order of its own. */
  sumF64(values: number, selection: number, rowCount: number): number

  /** assembly/wide-sums.ts: added to the 128 bits at `target`. Null pointer validity = no nulls. */
  sumI64(values: number, validity: number, selection: number, rowCount: number, target: number): void
  sumU64(values: number, validity: number, selection: number, rowCount: number, target: number): void
  sumI128(values: number, validity: number, selection: number, rowCount: number, target: number): void
  countValid(validity: number, selection: number, rowCount: number): number
}
