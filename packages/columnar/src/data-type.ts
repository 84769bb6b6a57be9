/**
 * The data types of Spillway: a closed union discriminated by `kind`, and how each lies in the arena.
 *
 * A type is a plain frozen object, so it crosses threads and compares by `typeEquals`.
 */
import { unreachable } from '@spillway/stdx'

export type TimeUnit = 's' | 'ms' | 'us' | 'ns'

export type DataType =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'int8' }
  | { readonly kind: 'int16' }
  | { readonly kind: 'int32' }
  | { readonly kind: 'int64' }
  | { readonly kind: 'uint8' }
  | { readonly kind: 'uint16' }
  | { readonly kind: 'uint32' }
  | { readonly kind: 'uint64' }
  | { readonly kind: 'float32' }
  | { readonly kind: 'float64' }
  | { readonly kind: 'utf8' }
  /** Bytes of any kind; compared byte by byte, as text is. */
  | { readonly kind: 'binary' }
  /** Days since 1970-01-01, int32. */
  | { readonly kind: 'date' }
  /** Units since 1970-01-01 UTC, int64. `timezone` is carried, never applied. */
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit; readonly timezone: string | undefined }
  /** 128-bit two's complement, scaled by 10^scale. precision 1…38. */
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }

export type TypeKind = DataType['kind']

/**
 * How one value lies in an arena column.
 * `view` is a 16-byte view of text or bytes (see string-view.ts); `i128` is two little-endian 64-bit words, low first;
 * a boolean is one byte, 0 or 1.
 */
export type Physical = 'i8' | 'i16' | 'i32' | 'i64' | 'f32' | 'f64' | 'i128' | 'view'

/** Bytes of one value in an arena column. */
export const physicalBytes = {
  i8: 1,
  i16: 2,
  i32: 4,
  i64: 8,
  f32: 4,
  f64: 8,
  i128: 16,
  view: 16,
} as const satisfies Record<Physical, number>

/** The physical form of a type. A column of type null is stored as i8 with no valid row. */
export function physicalOf(type: DataType): Physical {
  switch (type.kind) {
    case 'null':
    case 'boolean':
    case 'int8':
    case 'uint8':
      return 'i8'
    case 'int16':
    case 'uint16':
      return 'i16'
    case 'int32':
    case 'uint32':
    case 'date':
      return 'i32'
    case 'int64':
    case 'uint64':
    case 'timestamp':
      return 'i64'
    case 'float32':
      return 'f32'
    case 'float64':
      return 'f64'
    case 'utf8':
    case 'binary':
      return 'view'
    case 'decimal':
      return 'i128'
    default:
      return unreachable(type)
  }
}

/** Bytes of one value of `type` in an arena column. */
export function widthOf(type: DataType): number {
  return physicalBytes[physicalOf(type)]
}

/** Whether values of the type have a length of their own: text and bytes, which lie alike everywhere. */
export const hasOwnLength = (type: DataType): boolean => type.kind === 'utf8' || type.kind === 'binary'

export function typeEquals(a: DataType, b: DataType): boolean {
  if (a.kind !== b.kind) return false
  if (a.kind === 'timestamp' && b.kind === 'timestamp') return a.unit === b.unit && a.timezone === b.timezone
  if (a.kind === 'decimal' && b.kind === 'decimal') return a.precision === b.precision && a.scale === b.scale
  return true
}

/** `decimal(12,2)`, `timestamp[us, UTC]`, `int64` … as printed in plans and errors. */
export function typeName(type: DataType): string {
  if (type.kind === 'decimal') return `decimal(${type.precision},${type.scale})`
  if (type.kind === 'timestamp') {
    return type.timezone === undefined ? `timestamp[${type.unit}]` : `timestamp[${type.unit}, ${type.timezone}]`
  }
  return type.kind
}

const signedKinds: ReadonlySet<TypeKind> = new Set(['int8', 'int16', 'int32', 'int64'])
const unsignedKinds: ReadonlySet<TypeKind> = new Set(['uint8', 'uint16', 'uint32', 'uint64'])

export const isSignedInteger = (type: DataType): boolean => signedKinds.has(type.kind)
export const isUnsignedInteger = (type: DataType): boolean => unsignedKinds.has(type.kind)
export const isInteger = (type: DataType): boolean => isSignedInteger(type) || isUnsignedInteger(type)
export const isFloat = (type: DataType): boolean => type.kind === 'float32' || type.kind === 'float64'
export const isNumeric = (type: DataType): boolean => isInteger(type) || isFloat(type) || type.kind === 'decimal'
