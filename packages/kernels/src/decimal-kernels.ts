/**
 * assembly/decimal.ts: 128-bit decimals as { low, high } words. The low word is returned, the high one waits in
 * wideHigh(), and castStatus() is 0 when the result has too many digits.
 */

/** How a generated module imports a kernel. */
export interface KernelSignature {
  readonly params: readonly ('i32' | 'i64' | 'f32' | 'f64')[]
  readonly results: readonly ('i32' | 'i64' | 'f32' | 'f64')[]
}

const pair = ['i64', 'i64', 'i64', 'i64'] as const

export const decimalKernelSignatures = {
  decimalAdd: { params: pair, results: ['i64'] },
  decimalSub: { params: pair, results: ['i64'] },
  decimalMul: { params: [...pair, 'i32'], results: ['i64'] },
  decimalRemainder: { params: pair, results: ['i64'] },
  decimalRescale: { params: ['i64', 'i64', 'i32', 'i32', 'i32'], results: ['i64'] },
  decimalToFloat: { params: ['i64', 'i64', 'i32'], results: ['f64'] },
  decimalFromFloat: { params: ['f64', 'i32', 'i32'], results: ['i64'] },
} as const satisfies Record<string, KernelSignature>

export interface DecimalKernels {
  decimalAdd(aLow: bigint, aHigh: bigint, bLow: bigint, bHigh: bigint): bigint
  decimalSub(aLow: bigint, aHigh: bigint, bLow: bigint, bHigh: bigint): bigint
  /** a × b with `dropDigits` fewer digits, rounded half away from zero. */
  decimalMul(aLow: bigint, aHigh: bigint, bLow: bigint, bHigh: bigint, dropDigits: number): bigint
  decimalRemainder(aLow: bigint, aHigh: bigint, bLow: bigint, bHigh: bigint): bigint
  decimalRescale(low: bigint, high: bigint, fromScale: number, toScale: number, precision: number): bigint
  /** Nearest float64. */
  decimalToFloat(low: bigint, high: bigint, scale: number): number
  decimalFromFloat(value: number, precision: number, scale: number): bigint
}
