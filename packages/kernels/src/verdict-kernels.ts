/** assembly/verdicts.ts: conditions on dictionary codes. */
export interface VerdictKernels {
  /** target[selection[k]] = 1, bytes. */
  markVerdicts(selection: number, count: number, target: number): void
  /**
   * Rows whose code has verdict 1, as u32; returns how many.
   * @param codes u16 per row
   * @param validity byte per row, or 0: no nulls; null rows have verdict `nullVerdict`
   * @param verdicts bytes 0 or 1 by code; 16 bytes are read in any case
   * @param codeCount all codes are below it
   * @param selection u32 × count, the candidates, or 0: rows 0 … count - 1
   * @param target u32 × count, and 16 bytes that are clobbered; may be the selection
   */
  selectByCodes(
    codes: number,
    validity: number,
    verdicts: number,
    codeCount: number,
    nullVerdict: number,
    selection: number,
    count: number,
    target: number,
  ): number
}
