/** Arrow IPC of ours, read by apache-arrow, by parquet-wasm and by ourselves, equals the values that went in. */
import { createRequire } from 'node:module'
import type { DataType, ExportedColumn, Schema } from '@spillway/columnar'
import { tableFromIPC } from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import {
  type DecodedBatch,
  ipcFileFooter,
  ipcFileHeader,
  ipcStream,
  messageViews,
  readIpcFooter,
  readRecordBatch,
  recordBatchMessage,
} from './index.ts'

type Value = number | bigint | string | boolean | null

/** Lays values out in memory as the export kernels do. */
class ColumnWriter {
  readonly buffer = new SharedArrayBuffer(4 << 20)
  #next = 64

  #place(bytes: Uint8Array): { address: number; bytes: number } {
    const address = this.#next
    new Uint8Array(this.buffer).set(bytes, address)
    // Oddly placed on purpose: the arena aligns to 8 at best, and padding must not depend on it.
    this.#next = Math.ceil((address + bytes.byteLength) / 8) * 8 + 8
    return { address, bytes: bytes.byteLength }
  }

  column(type: DataType, values: readonly Value[]): ExportedColumn {
    const nullCount = values.filter((value) => value === null).length
    const validity = this.#place(nullCount === 0 ? new Uint8Array(0) : bitmap(values.map((value) => value !== null)))
    const texts = type.kind === 'utf8' ? values.map((value) => new TextEncoder().encode(String(value ?? ''))) : []
    const ends = Int32Array.from([0, ...texts].map(() => 0))
    for (const [index, text] of texts.entries()) ends[index + 1] = ends[index]! + text.byteLength
    const offsets = this.#place(type.kind === 'utf8' ? new Uint8Array(ends.buffer) : new Uint8Array(0))
    const encoded = type.kind === 'utf8' ? new Uint8Array(Buffer.concat(texts)) : encode(type, values)
    return { type, length: values.length, nullCount, validity, offsets, values: this.#place(encoded) }
  }
}

function bitmap(bits: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8))
  for (const [index, bit] of bits.entries()) if (bit) bytes[index >> 3]! |= 1 << (index & 7)
  return bytes
}

function encode(type: DataType, values: readonly Value[]): Uint8Array {
  if (type.kind === 'boolean') return bitmap(values.map((value) => value === true))
  const numbers = values.map((value) => Number(value ?? 0))
  const wide = (): bigint[] => values.map((value) => BigInt(value ?? 0))
  const arrays: Record<string, () => ArrayBufferView> = {
    null: () => new Uint8Array(0),
    int8: () => Int8Array.from(numbers),
    int16: () => Int16Array.from(numbers),
    int32: () => Int32Array.from(numbers),
    uint8: () => Uint8Array.from(numbers),
    uint16: () => Uint16Array.from(numbers),
    uint32: () => Uint32Array.from(numbers),
    float32: () => Float32Array.from(numbers),
    float64: () => Float64Array.from(numbers),
    date: () => Int32Array.from(numbers),
    int64: () => BigInt64Array.from(wide()),
    uint64: () => BigUint64Array.from(wide()),
    timestamp: () => BigInt64Array.from(wide()),
    decimal: () => BigInt64Array.from(wide().flatMap((value) => [BigInt.asIntN(64, value), value >> 64n])),
  }
  const view = arrays[type.kind]!()
  return new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength)
}

const cases: readonly { readonly type: DataType; readonly value: (index: number) => Value }[] = [
  { type: { kind: 'null' }, value: () => null },
  { type: { kind: 'boolean' }, value: (index) => index % 3 === 0 },
  { type: { kind: 'int8' }, value: (index) => (index % 256) - 128 },
  { type: { kind: 'int16' }, value: (index) => 32767 - index },
  { type: { kind: 'int32' }, value: (index) => -2147483648 + index },
  { type: { kind: 'int64' }, value: (index) => -(2n ** 63n) + BigInt(index) },
  { type: { kind: 'uint8' }, value: (index) => 255 - (index % 256) },
  { type: { kind: 'uint16' }, value: (index) => 65535 - index },
  { type: { kind: 'uint32' }, value: (index) => 4294967295 - index },
  { type: { kind: 'uint64' }, value: (index) => 2n ** 64n - 1n - BigInt(index) },
  { type: { kind: 'float32' }, value: (index) => index / 4 },
  { type: { kind: 'float64' }, value: (index) => index / 10 },
  { type: { kind: 'utf8' }, value: (index) => 'é'.repeat(index % 17) + index },
  { type: { kind: 'date' }, value: (index) => index - 60 },
  { type: { kind: 'timestamp', unit: 's', timezone: undefined }, value: (index) => BigInt(index) },
  { type: { kind: 'timestamp', unit: 'ms', timezone: undefined }, value: (index) => BigInt(index) * 7n },
  { type: { kind: 'timestamp', unit: 'us', timezone: 'UTC' }, value: (index) => BigInt(index) - 5n },
  { type: { kind: 'timestamp', unit: 'ns', timezone: 'Europe/Berlin' }, value: (index) => BigInt(index) },
  { type: { kind: 'decimal', precision: 12, scale: 2 }, value: (index) => BigInt(index) - 3n },
  { type: { kind: 'decimal', precision: 38, scale: 0 }, value: (index) => 10n ** 37n - BigInt(index) },
]

const schema: Schema = {
  fields: cases.map(({ type }, index) => ({ name: `column ${index} ü`, type, nullable: true })),
}

function sampleValues(rowCount: number, nullEvery: number): Value[][] {
  return cases.map(({ value }, column) =>
    Array.from({ length: rowCount }, (_, row) =>
      nullEvery > 0 && (row + column) % nullEvery === 0 ? null : value(row),
    ),
  )
}

function exportValues(values: readonly (readonly Value[])[]): { writer: ColumnWriter; columns: ExportedColumn[] } {
  const writer = new ColumnWriter()
  return { writer, columns: cases.map(({ type }, index) => writer.column(type, values[index]!)) }
}

/** What our own reader sees, value by value. */
function decodeValues(batch: DecodedBatch): Value[][] {
  return batch.columns.map((column) =>
    Array.from({ length: batch.rowCount }, (_, row): Value => {
      const valid = column.validity === undefined || (column.validity[row >> 3]! >> (row & 7)) % 2 === 1
      if (!valid || column.type.kind === 'null') return null
      // Copied, because text is not decoded from shared memory.
      const bytes = column.values.slice()
      const view = new DataView(bytes.buffer)
      switch (column.type.kind) {
        case 'boolean':
          return (bytes[row >> 3]! >> (row & 7)) % 2 === 1
        case 'int8':
          return view.getInt8(row)
        case 'uint8':
          return view.getUint8(row)
        case 'int16':
          return view.getInt16(row * 2, true)
        case 'uint16':
          return view.getUint16(row * 2, true)
        case 'int32':
        case 'date':
          return view.getInt32(row * 4, true)
        case 'uint32':
          return view.getUint32(row * 4, true)
        case 'float32':
          return view.getFloat32(row * 4, true)
        case 'float64':
          return view.getFloat64(row * 8, true)
        case 'int64':
        case 'timestamp':
          return view.getBigInt64(row * 8, true)
        case 'uint64':
          return view.getBigUint64(row * 8, true)
        case 'decimal':
          return (view.getBigInt64(row * 16 + 8, true) << 64n) | view.getBigUint64(row * 16, true)
        default: {
          const offsets = new DataView(column.offsets!.slice().buffer)
          const [start, end] = [offsets.getInt32(row * 4, true), offsets.getInt32(row * 4 + 4, true)]
          return new TextDecoder().decode(bytes.subarray(start, end))
        }
      }
    }),
  )
}

function concatenate(views: readonly Uint8Array[]): Uint8Array {
  const total = views.reduce((sum, view) => sum + view.byteLength, 0)
  const bytes = new Uint8Array(total)
  let cursor = 0
  for (const view of views) {
    bytes.set(view, cursor)
    cursor += view.byteLength
  }
  return bytes
}

/** One file with a block per entry of `blocks`. */
function makeFile(blocks: readonly (readonly (readonly Value[])[])[]): {
  bytes: Uint8Array
  footerStart: number
  blockInfo: { offset: number; metadataBytes: number; bodyBytes: number }[]
} {
  const parts = [ipcFileHeader(schema)]
  const blockInfo: { offset: number; metadataBytes: number; bodyBytes: number }[] = []
  let offset = parts[0]!.byteLength
  for (const values of blocks) {
    const { writer, columns } = exportValues(values)
    const message = recordBatchMessage(values[0]!.length, columns)
    parts.push(...messageViews(message, writer))
    blockInfo.push({ offset, metadataBytes: message.metadata.byteLength, bodyBytes: message.bodyBytes })
    offset += message.metadata.byteLength + message.bodyBytes
  }
  parts.push(ipcFileFooter(schema, blockInfo, new Map([['key', 'väl,ue']])))
  return { bytes: concatenate(parts), footerStart: offset, blockInfo }
}

/** A row of apache-arrow as our test values: raw integers for dates, timestamps and decimals. */
function arrowValues(bytes: Uint8Array): Value[][] {
  const table = tableFromIPC(bytes)
  return cases.map(({ type }, index) => {
    const vector = table.getChildAt(index)!
    return Array.from({ length: table.numRows }, (_, row): Value => {
      const value: unknown = vector.get(row)
      if (value === null) return null
      if (type.kind === 'date') return Number(value) / 86_400_000
      if (type.kind === 'decimal') {
        const words = new BigUint64Array((value as Uint32Array).slice().buffer)
        return (BigInt.asIntN(64, words[1]!) << 64n) | words[0]!
      }
      if (type.kind === 'timestamp') {
        // apache-arrow converts to milliseconds; whole milliseconds are compared.
        const perMillisecond = { s: 1 / 1000, ms: 1, us: 1000, ns: 1e6 }[type.unit]
        return BigInt(Math.round(Number(value) * perMillisecond))
      }
      return value as Value
    })
  })
}

/** The part of polars that is used here. */
interface PolarsReader {
  readIPC(bytes: Buffer): { readonly shape: unknown; getColumn(name: string): Iterable<unknown> }
}

describe('ipcStream', () => {
  it('is read by apache-arrow with the same types and values, at all lengths, with and without nulls', () => {
    for (const nullEvery of [0, 5]) {
      for (let rowCount = 0; rowCount <= 130; rowCount += 1) {
        const values = sampleValues(rowCount, nullEvery)
        const { writer, columns } = exportValues(values)
        expect(arrowValues(ipcStream(schema, columns, writer))).toEqual(values)
      }
    }
  })

  it('carries names, types and nullability', () => {
    const { writer, columns } = exportValues(sampleValues(1, 0))
    const table = tableFromIPC(ipcStream(schema, columns, writer))
    expect(table.schema.fields.map(({ name }) => name)).toEqual(schema.fields.map(({ name }) => name))
    expect(table.schema.fields.map(({ type }) => String(type))).toEqual([
      'Null', 'Bool', 'Int8', 'Int16', 'Int32', 'Int64', 'Uint8', 'Uint16', 'Uint32', 'Uint64', 'Float32', 'Float64',
      'Utf8', 'Date32<DAY>', 'Timestamp<SECOND>', 'Timestamp<MILLISECOND>', 'Timestamp<MICROSECOND, UTC>',
      'Timestamp<NANOSECOND, Europe/Berlin>', 'Decimal[12e+2]', 'Decimal[38e0]',
    ]) // biome-ignore format: one line per group reads better
    const strict: Schema = { fields: [{ name: 'a', type: { kind: 'int32' }, nullable: false }] }
    const narrow = new ColumnWriter()
    const stream = ipcStream(strict, [narrow.column({ kind: 'int32' }, [1, 2])], narrow)
    expect(tableFromIPC(stream).schema.fields[0]!.nullable).toBe(false)
  })

  it('is accepted by parquet-wasm and comes back from it unchanged', async () => {
    const parquet = await import('parquet-wasm')
    const values = sampleValues(100, 7)
    const { writer, columns } = exportValues(values)
    const table = parquet.Table.fromIPCStream(ipcStream(schema, columns, writer))
    expect(arrowValues(table.intoIPCStream())).toEqual(values)
    const empty = exportValues(sampleValues(0, 0))
    expect(parquet.Table.fromIPCStream(ipcStream(schema, empty.columns, empty.writer)).numBatches).toBe(1)
  })

  it('refuses columns of other types than its schema', () => {
    const writer = new ColumnWriter()
    const other: Schema = { fields: [{ name: 'a', type: { kind: 'int64' }, nullable: true }] }
    const column = writer.column({ kind: 'int32' }, [1])
    expect(() => ipcStream(other, [column], writer)).toThrow(/column "a" has the type of its schema/)
    expect(() => ipcStream(other, [], writer)).toThrow(/has the columns of its schema/)
  })
})

describe('IPC file', () => {
  const blocks = [sampleValues(3, 2), sampleValues(0, 0), sampleValues(1000, 0), sampleValues(65, 5)]
  const expected = cases.map((_, column) => blocks.flatMap((block) => block[column]!))

  it('is read by apache-arrow', () => {
    expect(arrowValues(makeFile(blocks).bytes)).toEqual(expected)
    expect(arrowValues(makeFile([]).bytes)).toEqual(cases.map(() => []))
  })

  it('is read by polars, whose reader checks the metadata strictly', () => {
    // A tool of the workspace's tests, which this package does not depend on.
    const polars = createRequire(import.meta.url)('nodejs-polars') as PolarsReader
    const frame = polars.readIPC(Buffer.from(makeFile(blocks).bytes))
    expect(frame.shape).toEqual({ height: 1068, width: cases.length })
    const text = cases.findIndex(({ type }) => type.kind === 'utf8')
    expect([...frame.getColumn(schema.fields[text]!.name)]).toEqual(expected[text])
    const wide = cases.findIndex(({ type }) => type.kind === 'uint64')
    expect([...frame.getColumn(schema.fields[wide]!.name)]).toEqual(expected[wide])
  })

  it('is read by ourselves: footer, metadata and every block', () => {
    const { bytes, footerStart, blockInfo } = makeFile(blocks)
    const footer = readIpcFooter(bytes.slice(footerStart))
    expect(footer).toEqual({ schema, blocks: blockInfo, metadata: new Map([['key', 'väl,ue']]) })
    const decoded = footer.blocks.map(({ offset, metadataBytes, bodyBytes }) => {
      const body = bytes.subarray(offset + metadataBytes, offset + metadataBytes + bodyBytes)
      return decodeValues(readRecordBatch(bytes.slice(offset, offset + metadataBytes), body, schema))
    })
    expect(decoded).toEqual(blocks)
  })

  it('aligns blocks and bodies to 64 bytes', () => {
    for (const { offset, metadataBytes, bodyBytes } of makeFile(blocks).blockInfo) {
      expect([offset % 64, metadataBytes % 64, bodyBytes % 64]).toEqual([0, 0, 0])
    }
  })

  it('never reads outside damaged metadata: it decodes or throws', () => {
    const { bytes, blockInfo } = makeFile([sampleValues(3, 2)])
    const { offset, metadataBytes, bodyBytes } = blockInfo[0]!
    const body = bytes.subarray(offset + metadataBytes, offset + metadataBytes + bodyBytes)
    for (let index = 0; index < metadataBytes; index += 1) {
      const metadata = bytes.slice(offset, offset + metadataBytes)
      metadata[index] = metadata[index]! ^ 0xff
      try {
        expect(readRecordBatch(metadata, body, schema).columns.length).toBe(cases.length)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }
  })
})
