/**
 * A Parquet file of one int32 column and one page that carries a CRC-32, written by hand: no writer at hand makes page
 * checksums. One byte of the page can be changed after the checksum was taken.
 */
import { crc32 } from 'node:zlib'

/** Thrift's compact protocol, as much of it as a footer needs: fields are [id, type, bytes]. */
type Field = readonly [id: number, type: number, bytes: readonly number[]]
const I32 = 5
const I64 = 6
const BINARY = 8
const LIST = 9
const STRUCT = 12

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return [...bytes, rest]
}

const zigzag = (value: number): number[] => varint(value < 0 ? -2 * value - 1 : 2 * value)
const text = (value: string): number[] => [...varint(value.length), ...Buffer.from(value)]
const list = (type: number, items: readonly (readonly number[])[]): number[] => [
  (items.length << 4) | type,
  ...items.flat(),
]

function struct(...fields: readonly Field[]): number[] {
  let previous = 0
  const bytes = fields.flatMap(([id, type, value]) => {
    const head = ((id - previous) << 4) | type
    previous = id
    return [head, ...value]
  })
  return [...bytes, 0]
}

const int = (id: number, value: number): Field => [id, I32, zigzag(value)]
const long = (id: number, value: number): Field => [id, I64, zigzag(value)]

/** Rows 0 … rowCount - 1 of column `number`. */
export function checksummedFile(rowCount: number, isDamaged: boolean): Uint8Array {
  const page = new Uint8Array(Int32Array.from({ length: rowCount }, (_, row) => row).buffer)
  // Thrift's i32 is signed, the checksum is not.
  const checksum = crc32(page) | 0
  const dataPage = struct(int(1, rowCount), int(2, 0), int(3, 3), int(4, 3))
  const header = struct(int(1, 0), int(2, page.byteLength), int(3, page.byteLength), int(4, checksum), [
    5,
    STRUCT,
    dataPage,
  ])
  if (isDamaged) page[page.byteLength >> 1] = (page[page.byteLength >> 1] as number) ^ 0x10
  const chunkBytes = header.length + page.byteLength
  const meta = struct(
    int(1, 1),
    [2, LIST, list(I32, [zigzag(0), zigzag(3)])],
    [3, LIST, list(BINARY, [text('number')])],
    int(4, 0),
    long(5, rowCount),
    long(6, chunkBytes),
    long(7, chunkBytes),
    long(9, 4),
  )
  const chunk = struct(long(2, 4), [3, STRUCT, meta])
  const rowGroup = struct([1, LIST, list(STRUCT, [chunk])], long(2, chunkBytes), long(3, rowCount))
  const root = struct([4, BINARY, text('schema')], int(5, 1))
  const column = struct(int(1, 1), int(3, 0), [4, BINARY, text('number')])
  const footer = struct(int(1, 1), [2, LIST, list(STRUCT, [root, column])], long(3, rowCount), [
    4,
    LIST,
    list(STRUCT, [rowGroup]),
  ])
  const end = new Uint8Array(8)
  new DataView(end.buffer).setUint32(0, footer.length, true)
  end.set(Buffer.from('PAR1'), 4)
  return Buffer.concat([Buffer.from('PAR1'), Uint8Array.from(header), page, Uint8Array.from(footer), end])
}
