/**
 * Cuts the wanted columns of one row group out of a Parquet file, as a Parquet file of their own:
 *
 *   PAR1 | chunk of column 0 | chunk of column 1 | ... | footer for just these | length | PAR1
 *
 * Pages are copied as they are. The synchronous reader of the codec, which ignores column selections, then decodes only
 * what is wanted, in the order wanted, under names without special characters.
 */
import { assert, makeError } from '@spillway/stdx'
import { checkPages } from './check-pages.ts'
import { describePlace, fileVersion, placeDetails, readFully, withFile } from '../file-access.ts'
import type { ParquetChunk, ParquetFileMeta } from '../file-meta.ts'
import { requireChunk, requireRowGroup } from '../file-meta.ts'
import { codecs, footerPieces } from '../footer.ts'
import { codecElement, physicalTypes } from '../schema-elements.ts'
import { encodeThriftStruct, i32Field, i64Field, listField, structField, textField, ThriftType } from '../thrift.ts'
import type { ThriftField, ThriftStruct } from '../thrift.ts'

const MAGIC_BYTES = 4

export interface MiniFile {
  readonly bytes: Uint8Array
  /** What `bytes` lies in, to be passed to the next call: `scratch`, or a larger one. */
  readonly buffer: Uint8Array<ArrayBuffer>
}

/**
 * Reads the chunks of `columns`, at least one, and checks their pages.
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE, PARQUET_CORRUPT, PAGE_CHECKSUM_MISMATCH, UNSUPPORTED_TYPE
 */
export function readMiniFile(
  path: string,
  meta: ParquetFileMeta,
  rowGroup: number,
  columns: readonly string[],
  scratch: Uint8Array<ArrayBuffer>,
): MiniFile {
  assert(columns.length > 0, 'A mini-file has at least one column.')
  const chunks = columns.map((column) => requireChunk(meta, rowGroup, column))
  const offsets: number[] = []
  let end = MAGIC_BYTES
  for (const chunk of chunks) {
    offsets.push(end)
    end += chunk.compressedBytes
  }
  const footer = miniFooter(meta, rowGroup, columns, offsets)
  const total = end + footer.length
  const buffer = scratch.length >= total ? scratch : new Uint8Array(total)
  buffer.set(footer.subarray(footer.length - MAGIC_BYTES))
  buffer.set(footer, end)
  withFile(path, (descriptor) => {
    requireUnchanged(descriptor, meta, path)
    for (const [index, chunk] of chunks.entries()) {
      const place = { file: path, rowGroup, column: columns[index] }
      if (chunk.codec === 'lzo') {
        const where = describePlace(place)
        const message = `Unsupported compression codec: LZO in ${where}. Select the other columns.`
        throw makeError('UNSUPPORTED_TYPE', message, placeDetails(place))
      }
      const start = offsets[index] ?? 0
      const target = buffer.subarray(start, start + chunk.compressedBytes)
      readFully(descriptor, target, chunk.offset, place)
      checkPages(target, chunk, place)
    }
  })
  return { bytes: buffer.subarray(0, total), buffer }
}

/** The footer's offsets hold for the file that it was read from only. */
function requireUnchanged(descriptor: number, meta: ParquetFileMeta, path: string): void {
  const { fileBytes, modifiedNs } = fileVersion(descriptor, path)
  if (fileBytes === meta.fileBytes && modifiedNs === meta.modifiedNs) return
  const message = `File changed while it was being read: ${path}. Run the query again.`
  throw makeError('FILE_UNREADABLE', message, { file: path })
}

function miniFooter(
  meta: ParquetFileMeta,
  rowGroup: number,
  columns: readonly string[],
  offsets: readonly number[],
): Uint8Array {
  const { rowCount } = requireRowGroup(meta, rowGroup)
  const elements: ThriftStruct[] = [[textField(4, 'schema'), i32Field(5, columns.length)]]
  const stored: ThriftStruct[] = []
  let totalBytes = 0
  for (const [index, column] of columns.entries()) {
    const chunk = requireChunk(meta, rowGroup, column)
    const storage = meta.storage[column]
    assert(storage !== undefined, 'Every column of the schema has a storage.')
    const name = `c${index}`
    elements.push(codecElement(name, chunk.type, storage))
    stored.push(chunkStruct(name, physicalTypes.indexOf(storage.physical), chunk, offsets[index] ?? 0))
    totalBytes += chunk.uncompressedBytes
  }
  const rowGroupStruct = [listField(1, ThriftType.STRUCT, stored), i64Field(2, totalBytes), i64Field(3, rowCount)]
  const rowGroups = [encodeThriftStruct(rowGroupStruct)]
  const parts = { schemaElements: elements, rowCount, rowGroupCount: 1, rowGroups, keyValue: {} }
  return Buffer.concat([...footerPieces(parts)])
}

function chunkStruct(name: string, physical: number, chunk: ParquetChunk, offset: number): ThriftStruct {
  const moved = (position: number): number => position - chunk.offset + offset
  const fields: ThriftField[] = [
    i32Field(1, physical),
    listField(2, ThriftType.I32, chunk.encodings),
    listField(3, ThriftType.BINARY, [new TextEncoder().encode(name)]),
    i32Field(4, codecs.indexOf(chunk.codec)),
    i64Field(5, chunk.valueCount),
    i64Field(6, chunk.uncompressedBytes),
    i64Field(7, chunk.compressedBytes),
    i64Field(9, moved(chunk.dataPageOffset)),
  ]
  if (chunk.dictionaryPageOffset !== undefined) fields.push(i64Field(11, moved(chunk.dictionaryPageOffset)))
  return [i64Field(2, 0), structField(3, fields)]
}
