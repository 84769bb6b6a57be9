/**
 * The least first word of a key that rows with known bounds may have: what a running top-k compares with its bound to
 * tell whether a row group can matter. Parts of the word that bounds do not tell are zero, which is never too much.
 */
import { hasOwnLength, type DataType, isSignedInteger } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { type KeyPlace, planSort } from './sort-layout.ts'
import type { SortSpec } from './sort-spec.ts'

/** Numbers and dates as bigint, floats as number, text as UTF-8 bytes. */
type Bound = bigint | number | Uint8Array

/** What is known of the first key's column in some rows. Bounds leave NaN out. */
export interface KeyBounds {
  readonly min: Bound | undefined
  readonly max: Bound | undefined
  readonly hasNull: boolean
  readonly hasValue: boolean
}

const WORD_BYTES = 8

export function leastFirstWord(spec: SortSpec, bounds: KeyBounds): bigint {
  const place = planSort(spec).places[0]
  assert(place !== undefined, 'a sort has a key')
  const bytes = new Uint8Array(WORD_BYTES)
  if (place.nullAt !== undefined) {
    if (bounds.hasNull && !place.nullsLast) return 0n
    const isNull = !bounds.hasValue
    bytes[place.nullAt] = isNull === place.nullsLast ? 1 : 0
    if (isNull) return wordOf(bytes)
  }
  bytes.set(leastValue(place, bounds).subarray(0, WORD_BYTES - place.valueAt), place.valueAt)
  return wordOf(bytes)
}

/** Bytes of the least value in the key's order; empty when it is not known. */
function leastValue({ type, descending, valueBytes }: KeyPlace, { min, max }: KeyBounds): Uint8Array {
  const isFloat = type.kind === 'float32' || type.kind === 'float64'
  // NaN is the greatest value and in no bounds.
  if (descending && isFloat) return new Uint8Array(0)
  const bound = descending ? max : min
  const bytes = bound === undefined ? undefined : bytesOfBound(type, bound, valueBytes)
  if (bytes === undefined) return new Uint8Array(0)
  return descending ? bytes.map((byte) => 255 - byte) : bytes
}

function bytesOfBound(type: DataType, bound: Bound, valueBytes: number): Uint8Array | undefined {
  if (bound instanceof Uint8Array) {
    const bytes = new Uint8Array(valueBytes)
    bytes.set(bound.subarray(0, valueBytes))
    return hasOwnLength(type) ? bytes : undefined
  }
  if (typeof bound === 'number') return floatBytes(bound, valueBytes)
  const isSigned = isSignedInteger(type) || ['date', 'timestamp', 'decimal'].includes(type.kind)
  const bits = BigInt(valueBytes * 8)
  return bigEndian(isSigned ? bound + (1n << (bits - 1n)) : bound, valueBytes)
}

function floatBytes(value: number, valueBytes: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8))
  // Adding 0 makes -0 to 0.
  if (valueBytes === 4) view.setFloat32(0, value + 0)
  else view.setFloat64(0, value + 0)
  const bits = valueBytes === 4 ? BigInt(view.getUint32(0)) : view.getBigUint64(0)
  const sign = 1n << BigInt(valueBytes * 8 - 1)
  return bigEndian(bits >= sign ? 2n * sign - 1n - bits : bits + sign, valueBytes)
}

function bigEndian(value: bigint, byteCount: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, (_, index) =>
    Number((value >> BigInt((byteCount - 1 - index) * 8)) & 0xffn),
  )
}

function wordOf(bytes: Uint8Array): bigint {
  return bytes.reduce((word, byte) => (word << 8n) | BigInt(byte), 0n)
}
