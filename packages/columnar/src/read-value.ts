/**
 * Random access to the values of an ArrowColumn, for what people look at: records, tables on a terminal, tests.
 *
 * Never in a query's path: a query touches rows in WebAssembly only.
 *
 * Two views of one value:
 *
 *   type                 exact (`makeExactReader`)       plain (`makeValueReader`)
 *   int8 … uint32        number                          number
 *   int64, uint64        bigint                          bigint
 *   float32, float64     number                          number
 *   boolean, utf8        boolean, string                 boolean, string
 *   binary               Uint8Array, a copy              Uint8Array, a copy
 *   date                 number of days since 1970       Date at midnight UTC
 *   timestamp            bigint, units since 1970 UTC    Date (floored to milliseconds)
 *   decimal(p,s)         bigint, value × 10^s            string such as "-12.30"
 *   null                 null                            null
 */
import { assert, unreachable } from '@spillway/stdx'
import type { ArrowColumn } from './arrow-column.ts'
import type { DataType, TimeUnit } from './data-type.ts'

export type ExactValue = null | boolean | number | bigint | string | Uint8Array
export type PlainValue = ExactValue | Date

/** Reads row `row` (0 … length) of the column it was made for. */
export type Reader<V> = (row: number) => V

/** The exact value of one row; see the table above. Make a reader when more than a few rows are read. */
export function readExact(column: ArrowColumn, row: number): ExactValue {
  assert(row >= 0 && row < column.length, 'the row lies within the column')
  return makeExactReader(column)(row)
}

/** The plain JavaScript value of one row; see the table above. */
export function readValue(column: ArrowColumn, row: number): PlainValue {
  assert(row >= 0 && row < column.length, 'the row lies within the column')
  return makeValueReader(column)(row)
}

/** A reader of exact values. It keeps views of the column's buffers, not copies. */
export function makeExactReader(column: ArrowColumn): Reader<ExactValue> {
  if (column.type.kind === 'null') return () => null
  const { validity, offset } = column
  const readPresent = column.dictionary === undefined ? makePresentReader(column) : makeDictionaryReader(column)
  if (validity === undefined || column.nullCount === 0) return (row) => readPresent(offset + row)
  return (row) => (readBit(validity, offset + row) ? readPresent(offset + row) : null)
}

/** A reader of plain values. */
export function makeValueReader(column: ArrowColumn): Reader<PlainValue> {
  const read = makeExactReader(column)
  const { type } = column
  switch (type.kind) {
    case 'date':
      return (row) => mapPresent(read(row), (days) => new Date(Number(days) * MS_PER_DAY))
    case 'timestamp':
      return (row) => mapPresent(read(row), (units) => new Date(timestampToMs(BigInt(units as bigint), type.unit)))
    case 'decimal':
      return (row) => mapPresent(read(row), (unscaled) => formatDecimal(BigInt(unscaled as bigint), type.scale))
    default:
      return read
  }
}

/** `formatDecimal(-1230n, 2)` is "-12.30": all digits of the scale are printed. */
export function formatDecimal(unscaled: bigint, scale: number): string {
  if (scale <= 0) return (unscaled * 10n ** BigInt(-scale)).toString()
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const point = digits.length - scale
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`
}

/** Units in a second. */
export const unitsPerSecond = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n } as const

/** Milliseconds since 1970 UTC, floored. */
export function timestampToMs(units: bigint, unit: TimeUnit): number {
  if (unit === 's') return Number(units * 1000n)
  const unitsPerMs = unitsPerSecond[unit] / 1000n
  const quotient = units / unitsPerMs
  return Number(units % unitsPerMs < 0n ? quotient - 1n : quotient)
}

const MS_PER_DAY = 86_400_000

function mapPresent<V>(value: ExactValue, map: (value: NonNullable<ExactValue>) => V): V | null {
  return value === null ? null : map(value)
}

function readBit(bitmap: Uint8Array, index: number): boolean {
  return (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1
}

/** Reads at an index into the buffers (offset included), for rows known to be present. */
function makePresentReader(column: ArrowColumn): Reader<NonNullable<ExactValue>> {
  const { values, type } = column
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength)
  switch (type.kind) {
    case 'null':
      throw unreachable(type as never)
    case 'boolean':
      return (index) => readBit(values, index)
    case 'int8':
      return (index) => view.getInt8(index)
    case 'uint8':
      return (index) => view.getUint8(index)
    case 'int16':
      return (index) => view.getInt16(index * 2, true)
    case 'uint16':
      return (index) => view.getUint16(index * 2, true)
    case 'int32':
    case 'date':
      return (index) => view.getInt32(index * 4, true)
    case 'uint32':
      return (index) => view.getUint32(index * 4, true)
    case 'int64':
    case 'timestamp':
      return (index) => view.getBigInt64(index * 8, true)
    case 'uint64':
      return (index) => view.getBigUint64(index * 8, true)
    case 'float32':
      return (index) => view.getFloat32(index * 4, true)
    case 'float64':
      return (index) => view.getFloat64(index * 8, true)
    case 'decimal':
      return (index) => (view.getBigInt64(index * 16 + 8, true) << 64n) | view.getBigUint64(index * 16, true)
    case 'utf8':
    case 'binary':
      return makeBytesReader(column)
    default:
      return unreachable(type)
  }
}

function makeBytesReader(column: ArrowColumn): Reader<string | Uint8Array> {
  const { type, values, offsets, offsetBytes } = column
  assert(offsets !== undefined, 'a column of text or bytes without dictionary has offsets')
  const view = new DataView(offsets.buffer, offsets.byteOffset, offsets.byteLength)
  const readOffset =
    offsetBytes === 4
      ? (index: number) => view.getInt32(index * 4, true)
      : (index: number) => Number(view.getBigInt64(index * 8, true))
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  // A copy, since the buffer may be shared and holds other rows as well.
  if (type.kind === 'binary')
    return (index) => Uint8Array.from(bytes.subarray(readOffset(index), readOffset(index + 1)))
  return (index) => bytes.toString('utf8', readOffset(index), readOffset(index + 1))
}

/** The dictionary's entries are read when met: it may be far longer than the rows that are looked at. */
function makeDictionaryReader(column: ArrowColumn): Reader<ExactValue> {
  const { values, indexBytes, dictionary } = column
  assert(dictionary !== undefined, 'a dictionary reader needs a dictionary')
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength)
  const readEntry = makeExactReader(dictionary)
  switch (indexBytes) {
    case 1:
      return (index) => readEntry(view.getUint8(index))
    case 2:
      return (index) => readEntry(view.getUint16(index * 2, true))
    case 4:
      return (index) => readEntry(view.getUint32(index * 4, true))
    default:
      return unreachable(indexBytes)
  }
}

/** Bytes of one value in a fixed-width Arrow buffer; 0 for utf8, binary (offsets), boolean (bits), null (nothing). */
export function arrowValueBytes(type: DataType): number {
  switch (type.kind) {
    case 'null':
    case 'boolean':
    case 'utf8':
    case 'binary':
      return 0
    case 'int8':
    case 'uint8':
      return 1
    case 'int16':
    case 'uint16':
      return 2
    case 'int32':
    case 'uint32':
    case 'float32':
    case 'date':
      return 4
    case 'int64':
    case 'uint64':
    case 'float64':
    case 'timestamp':
      return 8
    case 'decimal':
      return 16
    default:
      return unreachable(type)
  }
}
