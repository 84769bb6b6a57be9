/**
 * A Parquet file taken apart: pages with their headers, the index structures, the footer. Put together again, all
 * offsets and sizes follow from the parts, so that a test can change one number and leave the rest sound; or put a
 * CRC-32 into every page, which most writers do not do.
 */
import { crc32 } from 'node:zlib'
import {
  encodeStruct,
  findField,
  numberAt,
  parseStruct,
  setNumber,
  structAt,
  type StructNode,
  structList,
  wire,
} from './thrift-tree.ts'

export interface PageModel {
  header: StructNode
  body: Uint8Array
}

export interface ChunkModel {
  /** Of the footer: RowGroup.columns[n]. */
  readonly column: StructNode
  pages: PageModel[]
  /** OffsetIndex, with a place for each data page. */
  offsetIndex: StructNode | undefined
  columnIndex: Uint8Array | undefined
}

export interface FileModel {
  readonly footer: StructNode
  readonly chunks: ChunkModel[]
}

const DATA_PAGE_TYPES: readonly (number | undefined)[] = [0, 3]
const slice = (bytes: Uint8Array, start: number | undefined, length: number | undefined): Uint8Array | undefined =>
  start === undefined || length === undefined ? undefined : bytes.slice(start, start + length)

/** Takes a sound file apart. Bloom filters are dropped. */
export function parseFile(bytes: Uint8Array): FileModel {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const footerStart = bytes.length - 8 - view.getUint32(bytes.length - 8, true)
  const footer = parseStruct(bytes, footerStart).node
  const chunks: ChunkModel[] = []
  for (const rowGroup of structList(footer, 4)) {
    for (const column of structList(rowGroup, 1)) {
      const meta = structAt(column, 3)
      if (meta === undefined) continue
      const dataStart = numberAt(meta, 9) ?? 4
      const dictionaryStart = numberAt(meta, 11)
      const start =
        dictionaryStart !== undefined && dictionaryStart > 0 ? Math.min(dictionaryStart, dataStart) : dataStart
      const end = start + (numberAt(meta, 7) ?? 0)
      const pages: PageModel[] = []
      for (let at = start; at < end; ) {
        const { node, end: bodyStart } = parseStruct(bytes, at)
        at = bodyStart + (numberAt(node, 3) ?? 0)
        pages.push({ header: node, body: bytes.slice(bodyStart, at) })
      }
      const offsetBytes = slice(bytes, numberAt(column, 4), numberAt(column, 5))
      const columnIndex = slice(bytes, numberAt(column, 6), numberAt(column, 7))
      column.fields = column.fields.filter(({ id }) => id < 4 || id > 7)
      meta.fields = meta.fields.filter(({ id }) => id !== 14 && id !== 15)
      const offsetIndex = offsetBytes === undefined ? undefined : parseStruct(offsetBytes, 0).node
      chunks.push({ column, pages, offsetIndex, columnIndex })
    }
  }
  return { footer, chunks }
}

/** Where the parts of an assembled file lie: ranges of bytes. */
export interface FileLayout {
  /** Bodies of pages, by chunk. */
  readonly bodies: { readonly start: number; readonly end: number; readonly hasChecksum: boolean }[]
  readonly footerStart: number
}

export interface AssembledFile {
  readonly bytes: Uint8Array
  readonly layout: FileLayout
}

/**
 * Puts a file together. Offsets and total sizes in footer and offset index are set to what is true; page headers are
 * written as they are. @param changeFooter changes the footer after that, for numbers that shall lie
 */
export function assembleFile(model: FileModel, changeFooter: (footer: StructNode) => void = () => {}): AssembledFile {
  const parts: Uint8Array[] = [Buffer.from('PAR1')]
  let at = 4
  const append = (part: Uint8Array): number => {
    parts.push(part)
    at += part.length
    return at - part.length
  }
  const bodies: FileLayout['bodies'] = []
  for (const chunk of model.chunks) {
    const meta = structAt(chunk.column, 3) as StructNode
    const start = at
    const places: { offset: number; bytes: number }[] = []
    for (const page of chunk.pages) {
      const offset = append(encodeStruct(page.header))
      const bodyStart = append(page.body)
      bodies.push({ start: bodyStart, end: at, hasChecksum: numberAt(page.header, 4) !== undefined })
      if (DATA_PAGE_TYPES.includes(numberAt(page.header, 1))) places.push({ offset, bytes: at - offset })
      else setNumber(meta, 11, offset)
    }
    setNumber(meta, 9, places[0]?.offset ?? start)
    setNumber(meta, 7, at - start)
    if (findField(chunk.column, 2) !== undefined) setNumber(chunk.column, 2, start)
    if (chunk.offsetIndex !== undefined) {
      for (const [index, location] of structList(chunk.offsetIndex, 1).entries()) {
        setNumber(location, 1, places[index]?.offset ?? 0)
        setNumber(location, 2, places[index]?.bytes ?? 0)
      }
    }
  }
  for (const rowGroup of structList(model.footer, 4)) {
    const metas = structList(rowGroup, 1).map((column) => structAt(column, 3) as StructNode)
    const first = metas[0]
    if (findField(rowGroup, 5) !== undefined && first !== undefined) {
      setNumber(rowGroup, 5, numberAt(first, 11) ?? numberAt(first, 9) ?? 4)
    }
    const stored = metas.reduce((sum, meta) => sum + (numberAt(meta, 7) ?? 0), 0)
    if (findField(rowGroup, 6) !== undefined) setNumber(rowGroup, 6, stored)
  }
  appendIndexes(model, append)
  changeFooter(model.footer)
  const footer = encodeStruct(model.footer)
  const footerStart = append(footer)
  const end = new Uint8Array(8)
  new DataView(end.buffer).setUint32(0, footer.length, true)
  end.set(Buffer.from('PAR1'), 4)
  append(end)
  return { bytes: Buffer.concat(parts), layout: { bodies, footerStart } }
}

function appendIndexes(model: FileModel, append: (part: Uint8Array) => number): void {
  for (const { column, columnIndex } of model.chunks) {
    if (columnIndex === undefined) continue
    setNumber(column, 6, append(columnIndex))
    setNumber(column, 7, columnIndex.length, wire.i32)
  }
  for (const { column, offsetIndex } of model.chunks) {
    if (offsetIndex === undefined) continue
    const encoded = encodeStruct(offsetIndex)
    setNumber(column, 4, append(encoded))
    setNumber(column, 5, encoded.length, wire.i32)
  }
}

/** Gives every page the CRC-32 of its stored bytes. */
export function addChecksums(model: FileModel): void {
  for (const { pages } of model.chunks) {
    // Thrift's i32 is signed, the checksum is not.
    for (const { header, body } of pages) setNumber(header, 4, crc32(body) | 0, wire.i32)
  }
}
