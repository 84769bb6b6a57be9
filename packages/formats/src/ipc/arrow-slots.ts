/**
 * Slot numbers and constants of Arrow's FlatBuffers schemas (Schema.fbs, Message.fbs, File.fbs), the part we use.
 * A slot is the ordinal of a field in its table; a union takes two slots, its kind first.
 */

/** MetadataVersion.V5. */
export const METADATA_VERSION = 4
export const MAGIC = new Uint8Array([0x41, 0x52, 0x52, 0x4f, 0x57, 0x31])
/** Every message starts with this word, then the metadata's length; length 0 ends the stream. */
export const CONTINUATION = 0xffffffff
/** Bodies and buffers start on this boundary, as the Arrow specification recommends. */
export const ALIGNMENT = 64

export const messageKind = { schema: 1, dictionaryBatch: 2, recordBatch: 3 } as const
export const messageSlot = { version: 0, headerKind: 1, header: 2, bodyLength: 3 } as const
export const schemaSlot = { endianness: 0, fields: 1, metadata: 2 } as const
export const fieldSlot = { name: 0, nullable: 1, typeKind: 2, type: 3, dictionary: 4, children: 5 } as const
export const recordBatchSlot = { length: 0, nodes: 1, buffers: 2, compression: 3, variadicCounts: 4 } as const
export const compressionSlot = { codec: 0, method: 1 } as const
/** By the format's code. */
export const bufferCodecs = ['lz4', 'zstd'] as const
export const dictionaryBatchSlot = { id: 0, data: 1, isDelta: 2 } as const
export const dictionaryEncodingSlot = { id: 0, indexType: 1 } as const
export const footerSlot = { version: 0, schema: 1, dictionaries: 2, recordBatches: 3, metadata: 4 } as const
export const keyValueSlot = { key: 0, value: 1 } as const

/** Structs stand inline in their vectors: FieldNode { length, nullCount }, Buffer { offset, length }, Block. */
export const FIELD_NODE_BYTES = 16
export const BUFFER_BYTES = 16
export const BLOCK_BYTES = 24

export const typeKind = {
  null: 1,
  int: 2,
  floatingPoint: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  decimal: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  interval: 11,
  list: 12,
  struct: 13,
  union: 14,
  fixedSizeBinary: 15,
  fixedSizeList: 16,
  map: 17,
  duration: 18,
  largeBinary: 19,
  largeUtf8: 20,
  largeList: 21,
  runEndEncoded: 22,
  binaryView: 23,
  utf8View: 24,
  listView: 25,
  largeListView: 26,
} as const

export const intSlot = { bitWidth: 0, signed: 1 } as const
export const floatSlot = { precision: 0 } as const
export const precision = { single: 1, double: 2 } as const
export const decimalSlot = { precision: 0, scale: 1, bitWidth: 2 } as const
export const dateSlot = { unit: 0 } as const
/** The default unit of a date is milliseconds (1), so days must be written. */
export const dateUnit = { day: 0, millisecond: 1 } as const
export const timestampSlot = { unit: 0, timezone: 1 } as const
export const timeUnits = ['s', 'ms', 'us', 'ns'] as const
