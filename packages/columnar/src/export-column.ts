/**
 * The arena's layout back to Arrow's: a column of a batch becomes validity bitmap, offsets and values that can be
 * written to a file or copied out. Pieces are laid one after another into room of the caller's, each 64-byte aligned.
 *
 * Fixed-width values without a selection are not copied: the result points at the batch's own buffer, and lives as long
 * as the batch.
 */
import type { KernelExports } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import type { ArenaSlice, ArrowColumn, ExportedColumn } from './arrow-column.ts'
import { hasOwnLength, type DataType, widthOf } from './data-type.ts'

/** Free bytes of the arena, [cursor, end). Exporting moves the cursor. */
export interface ExportRoom {
  cursor: number
  readonly end: number
}

/** A column of a batch: what a column entry and the header of its descriptor say. */
export interface BatchColumn {
  readonly type: DataType
  readonly values: number
  /** One byte per row, or 0. */
  readonly validity: number
  /** u32 × rowCount, or 0 for all rows. */
  readonly selection: number
  /** Rows that count. */
  readonly rowCount: number
}

const PIECE_ALIGNMENT = 64
/** `viewsToUtf8` may write this far past the string bytes. */
const OVER_WRITE_BYTES = 16
const NO_BYTES: ArenaSlice = { address: 0, bytes: 0 }

const alignPiece = (bytes: number): number => Math.ceil(bytes / PIECE_ALIGNMENT) * PIECE_ALIGNMENT
/** Kernels write bitmaps in words of 8 bytes. */
const bitmapRoom = (rowCount: number): number => alignPiece(Math.ceil(rowCount / 64) * 8)

/** Upper bound of the room that exporting this column takes, whatever the cursor's alignment. */
export function exportRoomBytes(
  kernels: KernelExports,
  type: DataType,
  values: number,
  validity: number,
  selection: number,
  rowCount: number,
): number {
  return PIECE_ALIGNMENT + piecesBytes(kernels, { type, values, validity, selection, rowCount })
}

function piecesBytes(kernels: KernelExports, column: BatchColumn): number {
  const { type, values, validity, selection, rowCount } = column
  if (type.kind === 'null') return 0
  const bitmap = validity === 0 ? 0 : bitmapRoom(rowCount)
  if (type.kind === 'boolean') return bitmap + bitmapRoom(rowCount)
  if (hasOwnLength(type)) {
    const stringBytes = kernels.viewsByteLength(values, validity, selection, rowCount) >>> 0
    return bitmap + alignPiece((rowCount + 1) * 4) + alignPiece(stringBytes + OVER_WRITE_BYTES)
  }
  return bitmap + (selection === 0 ? 0 : alignPiece(rowCount * widthOf(type)))
}

/**
 * Lays a column of a batch out for Arrow.
 * @param selection u32 × rowCount row indices, or 0 for rows 0 … rowCount
 * @returns undefined when the room is too small (nothing is written then, the cursor stays)
 */
export function exportColumn(
  kernels: KernelExports,
  memory: WebAssembly.Memory,
  type: DataType,
  values: number,
  validity: number,
  selection: number,
  rowCount: number,
  room: ExportRoom,
): ExportedColumn | undefined {
  assert(room.end <= memory.buffer.byteLength, 'The room to export to lies in the arena.')
  const column: BatchColumn = { type, values, validity, selection, rowCount }
  const cursor = alignPiece(room.cursor)
  if (cursor + piecesBytes(kernels, column) > room.end) return undefined
  if (type.kind === 'null') {
    return { type, length: rowCount, nullCount: rowCount, validity: NO_BYTES, offsets: NO_BYTES, values: NO_BYTES }
  }
  room.cursor = cursor
  const nulls = exportValidity(kernels, column, room)
  const data = exportValues(kernels, column, room)
  return { type, length: rowCount, nullCount: nulls.count, validity: nulls.bitmap, ...data }
}

function exportValidity(
  kernels: KernelExports,
  column: BatchColumn,
  room: ExportRoom,
): { readonly count: number; readonly bitmap: ArenaSlice } {
  const { validity, selection, rowCount } = column
  if (validity === 0) return { count: 0, bitmap: NO_BYTES }
  const count = kernels.bytesToBitmap(validity, selection, rowCount, room.cursor) >>> 0
  // The bitmap of a column whose nulls were all filtered away is dropped: its room is used by the next piece.
  if (count === 0) return { count, bitmap: NO_BYTES }
  return { count, bitmap: takePiece(room, Math.ceil(rowCount / 8), bitmapRoom(rowCount)) }
}

function exportValues(
  kernels: KernelExports,
  column: BatchColumn,
  room: ExportRoom,
): { readonly offsets: ArenaSlice; readonly values: ArenaSlice } {
  const { type, values, validity, selection, rowCount } = column
  if (type.kind === 'boolean') {
    kernels.bytesToBitmap(values, selection, rowCount, room.cursor)
    return { offsets: NO_BYTES, values: takePiece(room, Math.ceil(rowCount / 8), bitmapRoom(rowCount)) }
  }
  if (hasOwnLength(type)) {
    const offsetBytes = (rowCount + 1) * 4
    const offsets = takePiece(room, offsetBytes, alignPiece(offsetBytes))
    const written = kernels.viewsToUtf8(values, validity, selection, rowCount, offsets.address, room.cursor) >>> 0
    assert(written < 2 ** 31, 'The string bytes of a batch fit 32-bit offsets.')
    return { offsets, values: takePiece(room, written, alignPiece(written + OVER_WRITE_BYTES)) }
  }
  const bytes = rowCount * widthOf(type)
  if (selection === 0) return { offsets: NO_BYTES, values: { address: values, bytes } }
  kernels.gather(values, selection, 4, widthOf(type), rowCount, room.cursor)
  return { offsets: NO_BYTES, values: takePiece(room, bytes, alignPiece(bytes)) }
}

function takePiece(room: ExportRoom, bytes: number, roomBytes: number): ArenaSlice {
  const address = room.cursor
  room.cursor += roomBytes
  assert(room.cursor <= room.end, 'Exported pieces stay within their room.')
  return { address, bytes }
}

/** An exported column as an ArrowColumn over the arena, without a copy; valid as long as its pieces are. */
export function viewExported(memory: WebAssembly.Memory, exported: ExportedColumn): ArrowColumn {
  const { buffer } = memory
  const sliceOf = ({ address, bytes }: ArenaSlice): Uint8Array => new Uint8Array(buffer, address, bytes)
  return arrowColumnOf(exported, sliceOf)
}

/**
 * Copies an exported column into one fresh, ordinary ArrayBuffer that has nothing to do with the arena. Each part
 * starts at a multiple of 64 bytes, so typed arrays of any width can view it.
 */
export function copyOut(memory: WebAssembly.Memory, exported: ExportedColumn): ArrowColumn {
  const { validity, offsets, values } = exported
  const parts = [validity, offsets, values]
  const target = new Uint8Array(parts.reduce((bytes, part) => bytes + alignPiece(part.bytes), 0))
  let cursor = 0
  return arrowColumnOf(exported, ({ address, bytes }) => {
    target.set(new Uint8Array(memory.buffer, address, bytes), cursor)
    const part = target.subarray(cursor, cursor + bytes)
    cursor += alignPiece(bytes)
    return part
  })
}

function arrowColumnOf(exported: ExportedColumn, bytesOf: (slice: ArenaSlice) => Uint8Array): ArrowColumn {
  const { type, length, nullCount, validity, offsets, values } = exported
  return {
    type,
    length,
    offset: 0,
    nullCount,
    validity: validity.bytes === 0 ? undefined : bytesOf(validity),
    offsets: offsets.bytes === 0 ? undefined : bytesOf(offsets),
    values: bytesOf(values),
    offsetBytes: 4,
    dictionary: undefined,
    indexBytes: 4,
  }
}
