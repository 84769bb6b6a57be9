/** Columns in Arrow's layout as Apache Arrow's table, over the same buffers. */
import { assert } from '@spillway/stdx'
import type * as Arrow from 'apache-arrow'
import type { ArrowColumn } from '../arrow-column.ts'
import type { DataType, Physical } from '../data-type.ts'
import { hasOwnLength, physicalOf } from '../data-type.ts'
import { arrowValueBytes, makeExactReader } from '../read-value.ts'
import type { Schema } from '../schema.ts'
import type { TableChunk } from '../shared-table.ts'
import { arrowLibrary } from './arrow-library.ts'
import { arrowType } from './arrow-types.ts'
import { buildColumn } from './build-column.ts'

/**
 * An Arrow table over the chunks' buffers: nothing is copied, except buffers that do not start at a multiple of their
 * values' width, and dictionaries of a column that is dictionary-encoded in some chunks only.
 *
 * A column that is dictionary-encoded in every chunk becomes an Arrow dictionary; a string column with 8-byte offsets
 * in any chunk becomes LargeUtf8, and the offsets of its other chunks are widened.
 */
export function toArrowTable(schema: Schema, chunks: readonly TableChunk[]): Arrow.Table {
  const arrow = arrowLibrary()
  const plain = decodeMixedDictionaries(schema, chunks)
  const types = schema.fields.map((field, index) => columnArrowType(field.type, plain, index))
  const fields = schema.fields.map(
    (field, index) => new arrow.Field(field.name, types[index] as Arrow.DataType, field.nullable),
  )
  const tableSchema = new arrow.Schema(fields)
  const dictionaries = new Map<ArrowColumn, Arrow.Vector>()
  const batches = plain.map((chunk) => {
    const children = chunk.columns.map((column, index) => {
      const type = types[index]
      assert(type !== undefined && column.length === chunk.rowCount, 'a chunk has a full column per field')
      return dataOf(column, type, dictionaries)
    })
    const struct = arrow.makeData({ type: new arrow.Struct(fields), length: chunk.rowCount, nullCount: 0, children })
    return new arrow.RecordBatch(tableSchema, struct)
  })
  return new arrow.Table(tableSchema, batches)
}

function columnArrowType(type: DataType, chunks: readonly TableChunk[], index: number): Arrow.DataType {
  const arrow = arrowLibrary()
  const columns = chunks.map((chunk) => chunk.columns[index] as ArrowColumn)
  const first = columns[0]
  if (first?.dictionary !== undefined) {
    const dictionaries = columns.map((column) => column.dictionary as ArrowColumn)
    const wide = dictionaries.some((dictionary) => dictionary.offsetBytes === 8 && hasOwnLength(type))
    const indices = indexType(first.indexBytes) as Arrow.Int32
    return new arrow.Dictionary(wide ? largeType(type) : arrowType(type), indices)
  }
  if (hasOwnLength(type) && columns.some((column) => column.offsetBytes === 8)) return largeType(type)
  return arrowType(type)
}

/** With offsets of 8 bytes. */
function largeType(type: DataType): Arrow.DataType {
  const arrow = arrowLibrary()
  return type.kind === 'binary' ? new arrow.LargeBinary() : new arrow.LargeUtf8()
}

function indexType(indexBytes: 1 | 2 | 4): Arrow.Uint8 | Arrow.Uint16 | Arrow.Int32 {
  const arrow = arrowLibrary()
  if (indexBytes === 1) return new arrow.Uint8()
  return indexBytes === 2 ? new arrow.Uint16() : new arrow.Int32()
}

/** Arrow has one type per column: a column is a dictionary in every chunk, of one index width, or in none. */
function decodeMixedDictionaries(schema: Schema, chunks: readonly TableChunk[]): readonly TableChunk[] {
  const mixed = schema.fields.map((_, index) => {
    const widths = new Set(chunks.map(({ columns }) => (columns[index]?.dictionary ? columns[index].indexBytes : 0)))
    return widths.size > 1
  })
  if (!mixed.includes(true)) return chunks
  return chunks.map((chunk) => ({
    rowCount: chunk.rowCount,
    columns: chunk.columns.map((column, index) => {
      if (!mixed[index] || column.dictionary === undefined) return column
      const read = makeExactReader(column)
      const values = Array.from({ length: column.length }, (_, row) => read(row))
      return buildColumn(schema.fields[index]?.name ?? '', column.type, values, 'exact')
    }),
  }))
}

function dataOf(column: ArrowColumn, type: Arrow.DataType, dictionaries: Map<ArrowColumn, Arrow.Vector>): Arrow.Data {
  const arrow = arrowLibrary()
  const { length, offset } = column
  if (column.type.kind === 'null') return arrow.makeData({ type: new arrow.Null(), length })
  const validity = column.nullCount === 0 ? undefined : column.validity
  const nullCount = validity === undefined ? 0 : column.nullCount
  const bitmapBuffers = { [arrow.BufferType.VALIDITY]: validity ?? new Uint8Array(0) }
  if (column.dictionary !== undefined) {
    const buffers = { ...bitmapBuffers, [arrow.BufferType.DATA]: indexValues(column) }
    const vector = dictionaryVector(column.dictionary, (type as Arrow.Dictionary).dictionary, dictionaries)
    return new arrow.Data(type, offset, length, nullCount, buffers, [], vector)
  }
  if (column.type.kind === 'boolean') {
    return new arrow.Data(type, offset, length, nullCount, { ...bitmapBuffers, [arrow.BufferType.DATA]: column.values })
  }
  if (hasOwnLength(column.type)) {
    const isLarge = arrow.DataType.isLargeUtf8(type) || arrow.DataType.isLargeBinary(type)
    const buffers = {
      ...bitmapBuffers,
      [arrow.BufferType.OFFSET]: offsetValues(column, isLarge ? 8 : 4),
      [arrow.BufferType.DATA]: column.values,
    }
    return new arrow.Data(type, offset, length, nullCount, buffers)
  }
  return new arrow.Data(type, offset, length, nullCount, {
    ...bitmapBuffers,
    [arrow.BufferType.DATA]: fixedValues(column),
  })
}

function dictionaryVector(
  dictionary: ArrowColumn,
  type: Arrow.DataType,
  dictionaries: Map<ArrowColumn, Arrow.Vector>,
): Arrow.Vector {
  const arrow = arrowLibrary()
  const known = dictionaries.get(dictionary)
  if (known !== undefined) return known
  const vector = new arrow.Vector([dataOf(dictionary, type, dictionaries)])
  dictionaries.set(dictionary, vector)
  return vector
}

/** The view constructors of Arrow's fixed-width buffers, by how Spillway stores the type. */
const viewOf = {
  i8: { signed: Int8Array, unsigned: Uint8Array },
  i16: { signed: Int16Array, unsigned: Uint16Array },
  i32: { signed: Int32Array, unsigned: Uint32Array },
  i64: { signed: BigInt64Array, unsigned: BigUint64Array },
  f32: { signed: Float32Array, unsigned: Float32Array },
  f64: { signed: Float64Array, unsigned: Float64Array },
  i128: { signed: Uint32Array, unsigned: Uint32Array },
  view: undefined,
} as const satisfies Record<Physical, unknown>

function fixedValues(column: ArrowColumn) {
  const views = viewOf[physicalOf(column.type)]
  assert(views !== undefined, 'strings have no fixed-width buffer')
  const View = column.type.kind.startsWith('uint') ? views.unsigned : views.signed
  const width = arrowValueBytes(column.type)
  const bytes = alignedRows(column.values, column.offset * width, column.length * width, View.BYTES_PER_ELEMENT)
  return new View(bytes.buffer, bytes.byteOffset, bytes.byteLength / View.BYTES_PER_ELEMENT)
}

function indexValues(column: ArrowColumn) {
  const { indexBytes } = column
  const View = indexBytes === 1 ? Uint8Array : indexBytes === 2 ? Uint16Array : Int32Array
  const bytes = alignedRows(column.values, column.offset * indexBytes, column.length * indexBytes, indexBytes)
  return new View(bytes.buffer, bytes.byteOffset, column.length)
}

/** Offsets at the width the column's Arrow type wants; widened by value only when chunks differ in width. */
function offsetValues(column: ArrowColumn, offsetBytes: 4 | 8) {
  assert(column.offsets !== undefined, 'a utf8 column without dictionary has offsets')
  const width = column.offsetBytes
  const bytes = alignedRows(column.offsets, column.offset * width, (column.length + 1) * width, width)
  if (width === 8) return new BigInt64Array(bytes.buffer, bytes.byteOffset, column.length + 1)
  const offsets = new Int32Array(bytes.buffer, bytes.byteOffset, column.length + 1)
  return offsetBytes === 4 ? offsets : BigInt64Array.from(offsets, BigInt)
}

function alignedRows(buffer: Uint8Array, start: number, byteLength: number, alignment: number) {
  const bytes = buffer.subarray(start, start + byteLength)
  // The library's types know only ArrayBuffer; its code reads a SharedArrayBuffer just as well.
  return (bytes.byteOffset % alignment === 0 ? bytes : bytes.slice()) as Uint8Array<ArrayBuffer>
}
