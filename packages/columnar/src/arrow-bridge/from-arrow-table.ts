/**
 * Apache Arrow's table as a SharedTable: one chunk per record batch, each buffer copied at most once and whole.
 *
 * The library slices values and string offsets itself and keeps `offset` for bitmaps only; an ArrowColumn has one
 * offset for all its buffers. So the bitmap is cut at a byte, and what is left of the offset (0 … 7 rows) is put in
 * front of the values as padding:
 *
 *   library   bitmap  ········ ·····xxx xxx      offset 13      ArrowColumn  bitmap  ·····xxx xxx     offset 5
 *             values                 xxxxxx      from row 0                  values  ·····xxxxxx      offset 5
 */
import { hasOwnLength } from '../data-type.ts'
import { assert, makeError } from '@spillway/stdx'
import type * as Arrow from 'apache-arrow'
import type { ArrowColumn } from '../arrow-column.ts'
import type { DataType } from '../data-type.ts'
import { arrowValueBytes, makeExactReader } from '../read-value.ts'
import type { SharedTable, TableChunk } from '../shared-table.ts'
import { makeTable, shareBytes } from '../shared-table.ts'
import { arrowLibrary } from './arrow-library.ts'
import { dataTypeFromArrow, schemaFromArrow } from './arrow-types.ts'
import { buildColumn } from './build-column.ts'

/** A column's data and the dictionaries already converted: they are shared by the batches of a table. */
type Dictionaries = Map<Arrow.Vector, ArrowColumn>

/**
 * A table over shared buffers with the rows of an Arrow table. Dictionaries are kept.
 * Buffers that lie in a SharedArrayBuffer already are used as they are.
 * @throws DataError UNSUPPORTED_TYPE naming the column.
 */
export function fromArrowTable(table: Arrow.Table): SharedTable {
  const schema = schemaFromArrow(table.schema)
  const dictionaries: Dictionaries = new Map()
  const chunks: TableChunk[] = []
  for (const batch of table.batches) {
    if (batch.numRows === 0) continue
    const columns = schema.fields.map((field, index) => {
      const data = batch.data.children[index]
      assert(data !== undefined && data.length === batch.numRows, 'a record batch has a full column per field')
      return columnFromArrow(data, field.name, dictionaries)
    })
    chunks.push({ rowCount: batch.numRows, columns })
  }
  return makeTable(schema, chunks)
}

function columnFromArrow(data: Arrow.Data, name: string, dictionaries: Dictionaries): ArrowColumn {
  const arrow = arrowLibrary()
  const type = dataTypeFromArrow(data.type, name)
  const { length } = data
  if (type.kind === 'null') return nullColumn(length)
  const hasNulls = data.nullCount > 0
  const bitmapOffset = hasNulls || type.kind === 'boolean' ? data.offset : 0
  const offset = bitmapOffset & 7
  const base = {
    type,
    length,
    offset,
    nullCount: hasNulls ? data.nullCount : 0,
    validity: hasNulls ? cutBitmap(data.nullBitmap, bitmapOffset, length) : undefined,
    offsets: undefined,
    offsetBytes: 4,
    dictionary: undefined,
    indexBytes: 4,
  } as const
  if (arrow.DataType.isDictionary(data.type)) {
    const indexBytes = indexBytesOf(data.type, name)
    const dictionary = dictionaryFromArrow(data.dictionary, name, dictionaries)
    return { ...base, values: fixedValues(data.values, offset, length, indexBytes), dictionary, indexBytes }
  }
  if (type.kind === 'boolean') return { ...base, values: cutBitmap(data.values, bitmapOffset, length) }
  if (hasOwnLength(type)) {
    const isLarge = arrow.DataType.isLargeUtf8(data.type) || arrow.DataType.isLargeBinary(data.type)
    const offsetBytes = isLarge ? 8 : 4
    return { ...base, ...stringBuffers(data, offset, offsetBytes), offsetBytes }
  }
  return { ...base, values: fixedValues(data.values, offset, length, arrowValueBytes(type)) }
}

/** A column of type null has an all-zero bitmap, so that readers need no special case. */
function nullColumn(length: number): ArrowColumn {
  return {
    type: { kind: 'null' },
    length,
    offset: 0,
    nullCount: length,
    validity: new Uint8Array(new SharedArrayBuffer((length + 7) >> 3)),
    values: new Uint8Array(new SharedArrayBuffer(0)),
    offsets: undefined,
    offsetBytes: 4,
    dictionary: undefined,
    indexBytes: 4,
  }
}

/** The bytes of bits bitmapOffset … bitmapOffset + length, from the byte that holds the first. */
function cutBitmap(bitmap: Uint8Array, bitmapOffset: number, length: number): Uint8Array {
  return shareBytes(bytesOf(bitmap).subarray(bitmapOffset >> 3, (bitmapOffset + length + 7) >> 3))
}

/** `length` fixed-width values with room for `padding` rows in front. */
function fixedValues(values: ArrayBufferView | undefined, padding: number, length: number, width: number): Uint8Array {
  const bytes = bytesOf(values).subarray(0, length * width)
  assert(bytes.byteLength === length * width, 'a fixed-width buffer holds all rows')
  return padding === 0 ? shareBytes(bytes) : padFront(bytes, padding * width)
}

/** Offsets keep their origin, so the string bytes are taken from the buffer's start to the last row's end. */
function stringBuffers(data: Arrow.Data, padding: number, offsetBytes: 4 | 8) {
  const { length } = data
  const wanted = (length + 1) * offsetBytes
  const offsets = bytesOf(data.valueOffsets as ArrayBufferView | undefined).subarray(0, wanted)
  if (offsets.byteLength < wanted) {
    assert(length === 0, 'the offsets of a string column hold all rows')
    return { offsets: new Uint8Array(new SharedArrayBuffer(wanted)), values: new Uint8Array(new SharedArrayBuffer(0)) }
  }
  const padded = padding === 0 ? shareBytes(offsets) : padFront(offsets, padding * offsetBytes)
  const view = new DataView(offsets.buffer, offsets.byteOffset, offsets.byteLength)
  const end = offsetBytes === 4 ? view.getInt32(length * 4, true) : Number(view.getBigInt64(length * 8, true))
  return { offsets: padded, values: shareBytes(bytesOf(data.values).subarray(0, end)) }
}

/** Padding rows lie before the column's first row and are never read. */
function padFront(bytes: Uint8Array, paddingBytes: number): Uint8Array {
  const padded = new Uint8Array(new SharedArrayBuffer(paddingBytes + bytes.byteLength))
  padded.set(bytes, paddingBytes)
  return padded
}

function bytesOf(view: ArrayBufferView | undefined | null): Uint8Array {
  if (view === undefined || view === null) return new Uint8Array(0)
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

function indexBytesOf(type: Arrow.Dictionary, name: string): 1 | 2 | 4 {
  const { bitWidth } = type.indices
  if (bitWidth === 8) return 1
  if (bitWidth === 16) return 2
  if (bitWidth === 32) return 4
  throw makeError('UNSUPPORTED_TYPE', `Unsupported dictionary index in column "${name}": ${String(type.indices)}.`, {
    column: name,
  })
}

function dictionaryFromArrow(vector: Arrow.Vector | undefined, name: string, dictionaries: Dictionaries): ArrowColumn {
  assert(vector !== undefined, 'a dictionary column has a dictionary')
  const known = dictionaries.get(vector)
  if (known !== undefined) return known
  const pieces = vector.data.map((data) => columnFromArrow(data, name, dictionaries))
  const only = pieces[0]
  const dictionary =
    pieces.length === 1 && only !== undefined && only.dictionary === undefined
      ? only
      : joinPieces(dataTypeFromArrow(vector.type, name), pieces, name)
  dictionaries.set(vector, dictionary)
  return dictionary
}

/** Delta dictionaries come in pieces. Entries of a dictionary are few beside the rows, so they are joined by value. */
function joinPieces(type: DataType, pieces: readonly ArrowColumn[], name: string): ArrowColumn {
  const values = pieces.flatMap((piece) => {
    const read = makeExactReader(piece)
    return Array.from({ length: piece.length }, (_, row) => read(row))
  })
  return buildColumn(name, type, values, 'exact')
}
