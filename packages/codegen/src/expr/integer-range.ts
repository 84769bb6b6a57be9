/** What integers a type holds, and the code that tests whether one fits another type. */
import type { DataType } from '@spillway/columnar'
import { type Code, i32, i64 } from '../wasm/instructions.ts'

const integerRange: Readonly<Record<string, readonly [bigint, bigint]>> = {
  boolean: [0n, 1n],
  int8: [-128n, 127n],
  int16: [-32768n, 32767n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n],
  uint16: [0n, 65535n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
}

/** Smallest and greatest value of an integer type (boolean counts as 0 … 1); undefined for other types. */
export function findIntegerRange(type: DataType): readonly [bigint, bigint] | undefined {
  return integerRange[type.kind]
}

/** 1 where a 64-bit integer whose values lie in `source` lies in `target`; undefined when it always does. */
export function integerFits(
  source: readonly [bigint, bigint],
  target: readonly [bigint, bigint],
  unsigned64: boolean,
  wide: Code,
): Code | undefined {
  const needLower = source[0] < target[0]
  const needUpper = source[1] > target[1]
  if (!needLower && !needUpper) return undefined
  if (unsigned64) return i64.leU(wide, i64.const(target[1]))
  const lower = i64.geS(wide, i64.const(target[0]))
  const upper = i64.leS(wide, i64.const(target[1]))
  if (needLower && needUpper) return i32.and(lower, upper)
  return needLower ? lower : upper
}
