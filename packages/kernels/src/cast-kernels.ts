/** assembly/cast.ts: what generated expressions call for text, sets and float remainders; signatures for imports. */

import { decimalKernelSignatures, type KernelSignature } from './decimal-kernels.ts'

type Word = 'i32' | 'i64' | 'f32' | 'f64'

const signature = (params: readonly Word[], ...results: readonly Word[]): KernelSignature => ({ params, results })
const text = ['i64', 'i64'] as const

/** How generated modules import the kernels that expressions use (also those of other files). */
export const castKernelSignatures = {
  masksToSelection: signature(['i32', 'i32', 'i32'], 'i32'),
  compareBytes: signature(['i32', 'i32', 'i32', 'i32'], 'i32'),
  fmod64: signature(['f64', 'f64'], 'f64'),
  textCompare: signature([...text, ...text], 'i32'),
  keyInSet: signature(['i64', 'i32', 'i32'], 'i32'),
  wideInSet: signature(['i64', 'i64', 'i32', 'i32'], 'i32'),
  textInSet: signature([...text, 'i32', 'i32'], 'i32'),
  parseSigned: signature(text, 'i64'),
  parseUnsigned: signature(text, 'i64'),
  parseBoolean: signature(text, 'i32'),
  parseFloat64: signature(text, 'f64'),
  parseDecimal: signature([...text, 'i32', 'i32'], 'i64'),
  parseDate: signature(text, 'i32'),
  parseTimestamp: signature([...text, 'i32'], 'i64'),
  formatSigned: signature(['i64', 'i32'], 'i32'),
  formatUnsigned: signature(['i64', 'i32'], 'i32'),
  formatFloat64: signature(['f64', 'i32'], 'i32'),
  formatFloat32: signature(['f32', 'i32'], 'i32'),
  formatDate: signature(['i32', 'i32'], 'i32'),
  formatTimestamp: signature(['i64', 'i32', 'i32'], 'i32'),
  formatDecimal: signature([...text, 'i32', 'i32'], 'i32'),
  viewOfText: signature(['i32', 'i32'], 'i64'),
  ...decimalKernelSignatures,
  castStatus: signature([], 'i32'),
  wideHigh: signature([], 'i64'),
} as const satisfies Record<string, KernelSignature>

/** Strings are the two words of their view; see assembly/cast.ts. */
export interface CastKernels {
  fmod64(a: number, b: number): number
  textCompare(aLow: bigint, aHigh: bigint, bLow: bigint, bHigh: bigint): number
  keyInSet(key: bigint, table: number, count: number): number
  wideInSet(low: bigint, high: bigint, table: number, count: number): number
  textInSet(low: bigint, high: bigint, table: number, count: number): number
  /** Parsers fail (castStatus() 0) on anything that is not wholly such a value; formatters need 64 bytes at target. */
  parseSigned(low: bigint, high: bigint): bigint
  parseUnsigned(low: bigint, high: bigint): bigint
  parseBoolean(low: bigint, high: bigint): number
  parseFloat64(low: bigint, high: bigint): number
  parseDecimal(low: bigint, high: bigint, precision: number, scale: number): bigint
  parseDate(low: bigint, high: bigint): number
  parseTimestamp(low: bigint, high: bigint, unitDigits: number): bigint
  formatSigned(value: bigint, target: number): number
  formatUnsigned(value: bigint, target: number): number
  formatFloat64(value: number, target: number): number
  formatFloat32(value: number, target: number): number
  formatDate(days: number, target: number): number
  formatTimestamp(value: bigint, unitDigits: number, target: number): number
  formatDecimal(low: bigint, high: bigint, scale: number, target: number): number
  /** Low word of the view of bytes in the arena. */
  viewOfText(address: number, length: number): bigint
  /** 1 if the last parsing or decimal kernel succeeded. */
  castStatus(): number
  /** High word of the last 128-bit or view result. */
  wideHigh(): bigint
}
