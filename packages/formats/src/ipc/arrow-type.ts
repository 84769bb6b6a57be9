/** Our data types as Arrow's FlatBuffers types, both ways. */
import type { DataType } from '@spillway/columnar'
import { makeError, unreachable } from '@spillway/stdx'
import type { Builder } from 'flatbuffers'
import {
  dateSlot,
  dateUnit,
  decimalSlot,
  floatSlot,
  intSlot,
  precision,
  timestampSlot,
  timeUnits,
  typeKind,
} from './arrow-slots.ts'
import { type FlatTable, findText, readInt8, readInt16, readInt32 } from './flat-table.ts'

/** The two slots of a Type union: its kind, and the offset of its table in the builder. */
export interface EncodedType {
  readonly kind: number
  readonly offset: number
}

/** Writes the table of `type` into the builder. */
export function writeType(builder: Builder, type: DataType): EncodedType {
  switch (type.kind) {
    case 'null':
      return { kind: typeKind.null, offset: writeEmpty(builder) }
    case 'boolean':
      return { kind: typeKind.bool, offset: writeEmpty(builder) }
    case 'utf8':
      return { kind: typeKind.utf8, offset: writeEmpty(builder) }
    case 'binary':
      return { kind: typeKind.binary, offset: writeEmpty(builder) }
    case 'int8':
      return writeInt(builder, 8, true)
    case 'int16':
      return writeInt(builder, 16, true)
    case 'int32':
      return writeInt(builder, 32, true)
    case 'int64':
      return writeInt(builder, 64, true)
    case 'uint8':
      return writeInt(builder, 8, false)
    case 'uint16':
      return writeInt(builder, 16, false)
    case 'uint32':
      return writeInt(builder, 32, false)
    case 'uint64':
      return writeInt(builder, 64, false)
    case 'float32':
      return writeFloat(builder, precision.single)
    case 'float64':
      return writeFloat(builder, precision.double)
    case 'date':
      builder.startObject(1)
      builder.addFieldInt16(dateSlot.unit, dateUnit.day, dateUnit.millisecond)
      return { kind: typeKind.date, offset: builder.endObject() }
    case 'timestamp': {
      const timezone = type.timezone === undefined ? 0 : builder.createString(type.timezone)
      builder.startObject(2)
      builder.addFieldInt16(timestampSlot.unit, timeUnits.indexOf(type.unit), 0)
      builder.addFieldOffset(timestampSlot.timezone, timezone, 0)
      return { kind: typeKind.timestamp, offset: builder.endObject() }
    }
    case 'decimal':
      builder.startObject(3)
      builder.addFieldInt32(decimalSlot.precision, type.precision, 0)
      builder.addFieldInt32(decimalSlot.scale, type.scale, 0)
      builder.addFieldInt32(decimalSlot.bitWidth, 128, 128)
      return { kind: typeKind.decimal, offset: builder.endObject() }
    default:
      return unreachable(type)
  }
}

function writeEmpty(builder: Builder): number {
  builder.startObject(0)
  return builder.endObject()
}

function writeInt(builder: Builder, bitWidth: number, signed: boolean): EncodedType {
  builder.startObject(2)
  builder.addFieldInt32(intSlot.bitWidth, bitWidth, 0)
  builder.addFieldInt8(intSlot.signed, signed ? 1 : 0, 0)
  return { kind: typeKind.int, offset: builder.endObject() }
}

function writeFloat(builder: Builder, floatPrecision: number): EncodedType {
  builder.startObject(1)
  builder.addFieldInt16(floatSlot.precision, floatPrecision, 0)
  return { kind: typeKind.floatingPoint, offset: builder.endObject() }
}

/** How each kind of the Type union is read; a kind that is missing here is not supported. */
const readers: ReadonlyMap<number, (table: FlatTable) => DataType | undefined> = new Map<
  number,
  (table: FlatTable) => DataType | undefined
>([
  [typeKind.null, () => ({ kind: 'null' })],
  [typeKind.bool, () => ({ kind: 'boolean' })],
  [typeKind.utf8, () => ({ kind: 'utf8' })],
  [typeKind.binary, () => ({ kind: 'binary' })],
  [typeKind.int, readInt],
  [typeKind.floatingPoint, readFloat],
  [typeKind.decimal, readDecimal],
  [typeKind.date, readDate],
  [typeKind.timestamp, readTimestamp],
])

/** The data type of a Type union, if Spillway has it. */
export function findDataType(kind: number, table: FlatTable): DataType | undefined {
  return readers.get(kind)?.(table)
}

/** Reads a Type union. @throws DataError UNSUPPORTED_TYPE for Arrow types that Spillway does not have. */
export function readType(kind: number, table: FlatTable, fieldName: string): DataType {
  const type = findDataType(kind, table)
  if (type === undefined) {
    throw makeError('UNSUPPORTED_TYPE', `Arrow type not supported: type id ${kind} of column "${fieldName}".`, {
      column: fieldName,
    })
  }
  return type
}

function readInt(table: FlatTable): DataType | undefined {
  const signed = readInt8(table, intSlot.signed, 0) !== 0
  switch (readInt32(table, intSlot.bitWidth, 0)) {
    case 8:
      return { kind: signed ? 'int8' : 'uint8' }
    case 16:
      return { kind: signed ? 'int16' : 'uint16' }
    case 32:
      return { kind: signed ? 'int32' : 'uint32' }
    case 64:
      return { kind: signed ? 'int64' : 'uint64' }
    default:
      return undefined
  }
}

function readFloat(table: FlatTable): DataType | undefined {
  switch (readInt16(table, floatSlot.precision, 0)) {
    case precision.single:
      return { kind: 'float32' }
    case precision.double:
      return { kind: 'float64' }
    default:
      return undefined
  }
}

function readDecimal(table: FlatTable): DataType | undefined {
  if (readInt32(table, decimalSlot.bitWidth, 128) !== 128) return undefined
  return {
    kind: 'decimal',
    precision: readInt32(table, decimalSlot.precision, 0),
    scale: readInt32(table, decimalSlot.scale, 0),
  }
}

function readDate(table: FlatTable): DataType | undefined {
  return readInt16(table, dateSlot.unit, dateUnit.millisecond) === dateUnit.day ? { kind: 'date' } : undefined
}

function readTimestamp(table: FlatTable): DataType | undefined {
  const unit = timeUnits[readInt16(table, timestampSlot.unit, 0)]
  return unit === undefined ? undefined : { kind: 'timestamp', unit, timezone: findText(table, timestampSlot.timezone) }
}
