/** assembly/sums.ts: sums of columns without nulls. Null pointer selection = all rows, else u32 × rowCount. */
export interface SumKernels {
  sumI32(values: number, selection: number, rowCount: number): bigint
  sumU32(values: number, selection: number, rowCount: number): bigint
  /** Added in an order of its own. */
  sumF64(values: number, selection: number, rowCount: number): number
}
