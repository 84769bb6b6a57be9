/**
 * The footer's part for one row group: encoded by the worker that wrote the row group, completed by the main thread
 * when the places of the page indexes are known. It is kept until the file is complete, for every row group of it, so
 * it is bytes: as structs of fields it took 10 KB of the heap for a column chunk.
 */
import {
  encodeThriftFields,
  encodeThriftListHead,
  THRIFT_INTEGER_BYTES,
  ThriftAppender,
  type ThriftStruct,
  ThriftType,
} from './thrift.ts'

/** What is known of a column chunk when its row group is written. */
export interface ChunkFooter {
  /** The format's ColumnChunk without the places of its page indexes: fields up to 3. */
  readonly chunk: ThriftStruct
  /** The page indexes, as bytes of the format. Undefined when a page has no bounds. */
  readonly columnIndex: Uint8Array | undefined
  readonly offsetIndex: Uint8Array
}

/** Offsets in it are places in the file. Plain data: it crosses threads. */
export interface RowGroupFooter {
  readonly rowCount: number
  readonly bodyBytes: number
  /**
   * The head of the list of chunks; ColumnChunk of each column without its end; RowGroup from field 2 on; then
   * OffsetIndex and ColumnIndex of each column.
   */
  readonly bytes: Uint8Array
  /** Of each of these parts. A ColumnIndex of none is not there. */
  readonly lengths: Uint32Array
}

/** Beside those of each column: the list's head, and what follows the list. */
const OTHER_PARTS = 2
/** Of a column. */
const PARTS = 3

/** @param rest fields of the format's RowGroup behind the list of chunks */
export function encodeRowGroupFooter(
  { rowCount, bodyBytes }: Pick<RowGroupFooter, 'rowCount' | 'bodyBytes'>,
  chunks: readonly ChunkFooter[],
  rest: ThriftStruct,
): RowGroupFooter {
  const parts = [
    encodeThriftListHead(1, chunks.length, 0),
    ...chunks.map(({ chunk }) => encodeThriftFields(chunk)),
    encodeThriftFields(rest, 1),
    ...chunks.flatMap(({ offsetIndex, columnIndex }) => [offsetIndex, columnIndex ?? new Uint8Array(0)]),
  ]
  const lengths = Uint32Array.from(parts, ({ length }) => length)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return { rowCount, bodyBytes, bytes, lengths }
}

/** The page indexes of all row groups, in the order in which `rowGroupStructs` places them. */
export function* pageIndexes(footers: readonly RowGroupFooter[]): Generator<Uint8Array, void> {
  for (const { bytes, lengths } of footers) yield bytes.subarray(lengthOf(lengths, structParts(lengths)))
}

/** The format's RowGroup of each. @param start where the page indexes begin */
export function* rowGroupStructs(footers: readonly RowGroupFooter[], start: number): Generator<Uint8Array, void> {
  let at = start
  for (const footer of footers) {
    const { bytes, lengths } = footer
    yield rowGroupStruct(footer, at)
    at += bytes.length - lengthOf(lengths, structParts(lengths))
  }
}

function rowGroupStruct({ bytes, lengths }: RowGroupFooter, indexesAt: number): Uint8Array {
  const parts = structParts(lengths)
  const columns = parts - OTHER_PARTS
  const struct = new ThriftAppender(bytes.length + columns * (4 * THRIFT_INTEGER_BYTES + 1) + 1)
  const encoded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let from = 0
  let indexAt = indexesAt
  const copyPart = (part: number): void => {
    const to = from + (lengths[part] ?? 0)
    struct.copy(encoded, from, to)
    from = to
  }
  const place = (length: number): void => {
    struct.head(1, ThriftType.I64)
    struct.whole(indexAt)
    struct.head(1, ThriftType.I32)
    struct.whole(length)
    indexAt += length
  }
  copyPart(0)
  for (let column = 0; column < columns; column++) {
    copyPart(1 + column)
    const [offsetLength = 0, columnLength = 0] = lengths.subarray(parts + 2 * column)
    // Fields 4 and 5, 6 and 7: each follows the one before.
    place(offsetLength)
    if (columnLength > 0) place(columnLength)
    struct.end()
  }
  copyPart(parts - 1)
  struct.end()
  return struct.bytes
}

/** Parts in front of the page indexes. */
const structParts = (lengths: Uint32Array): number => (lengths.length - OTHER_PARTS) / PARTS + OTHER_PARTS

function lengthOf(lengths: Uint32Array, parts: number): number {
  let sum = 0
  for (let part = 0; part < parts; part++) sum += lengths[part] ?? 0
  return sum
}
