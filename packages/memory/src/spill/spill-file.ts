/**
 * A spill file: an Arrow IPC file that grows block by block and is valid after each append.
 *
 *   before   header | block 0 | footer of 1
 *   append   header | block 0 | block 1 | footer of 2        one gathering write from the old footer's position
 *
 * Every block (metadata and body) and every footer carries an xxHash64. Block checksums and row counts stand in the
 * footer's metadata; the footer's own checksum stands in the totals that the engine keeps in the arena. Nothing read
 * back is used before its checksum matched, so a damaged byte is a SpillCorruptionError and never a wrong answer.
 *
 * A failed append leaves the state it was given, the file and the quota as they were; when even the repair fails, the
 * damage is found by the footer's checksum. One worker appends at a time (the caller's lock); any number may read.
 *
 * Not handled: durability over a power cut (spill files die with their process), appends by two workers at once.
 */
import { type ExportedColumn, type Schema, typeEquals, typeName } from '@spillway/columnar'
import {
  type ArenaMemory,
  assertColumnsMatch,
  type DecodedBatch,
  type IpcFooter,
  ipcFileFooter,
  ipcFileHeader,
  messageViews,
  readIpcFooter,
  readRecordBatch,
  recordBatchMessage,
} from '@spillway/formats/ipc'
import { assert, makeError, type SpillwayError } from '@spillway/stdx'
import type { Checksum } from './checksum.ts'
import type { SpillIo } from './spill-io.ts'
import type { SpillQuota } from './spill-quota.ts'
import type { SpillTotals } from './spill-totals.ts'

/** What spilling needs on a worker; made once per worker. */
export interface SpillContext {
  readonly io: SpillIo
  readonly quota: SpillQuota
  readonly checksum: Checksum
  /** The arena: columns are written from it and blocks are read into it. */
  readonly memory: ArenaMemory
}

export interface SpillBlock {
  /** From the start of the file, a multiple of 64. */
  readonly offset: number
  readonly metadataBytes: number
  readonly bodyBytes: number
  readonly rows: number
  /** xxHash64 of metadata and body. */
  readonly checksum: bigint
}

/** All there is to know of a spill file. Plain data, never changed: an append returns the next state. */
export interface SpillFileState {
  readonly path: string
  readonly schema: Schema
  readonly rows: number
  readonly blocks: readonly SpillBlock[]
  /** Offset of the footer; 0 while there is no file. */
  readonly dataBytes: number
  readonly bytes: number
  readonly footerChecksum: bigint
}

/** Blocks are read to addresses divisible by this. */
export const BLOCK_ALIGNMENT = 64

const blocksKey = 'spillway.blocks'

/** The state of a file that holds nothing yet. Touches no disk: the file appears with its first block. */
export function newSpillFile(path: string, schema: Schema): SpillFileState {
  return { path, schema, rows: 0, blocks: [], dataBytes: 0, bytes: 0, footerChecksum: 0n }
}

export function spillTotals(state: SpillFileState): SpillTotals {
  const { rows, dataBytes, bytes, footerChecksum, blocks } = state
  return { rows, dataBytes, bytes, footerChecksum, blockCount: blocks.length }
}

/** Bytes of arena that `readBlock` needs. */
export function blockBytes(block: SpillBlock): number {
  return block.metadataBytes + block.bodyBytes
}

/**
 * Writes one batch, straight from the arena, behind the blocks of `state`.
 * @param columns all `rowCount` long, with exactly the types of the file's schema
 * @returns the state that includes it; `state` remains true if this throws
 * @throws SpillDiskFullError (disk, disk quota or maxSpillBytes), SpillIoError
 */
export function appendBlock(
  context: SpillContext,
  state: SpillFileState,
  columns: readonly ExportedColumn[],
  rowCount: number,
): SpillFileState {
  assertColumnsMatch(state.schema, columns)
  assert(state.blocks.length === 0 || state.dataBytes % BLOCK_ALIGNMENT === 0, 'blocks start on 64-byte boundaries')
  const header = state.blocks.length === 0 ? [ipcFileHeader(state.schema)] : []
  const message = recordBatchMessage(rowCount, columns)
  const batchViews = messageViews(message, context.memory)
  const block: SpillBlock = {
    offset: state.dataBytes + (header[0]?.byteLength ?? 0),
    metadataBytes: message.metadata.byteLength,
    bodyBytes: message.bodyBytes,
    rows: rowCount,
    checksum: context.checksum(batchViews),
  }
  const blocks = [...state.blocks, block]
  const footer = encodeFooter(state.schema, blocks)
  const dataBytes = block.offset + blockBytes(block)
  const next: SpillFileState = {
    ...state,
    rows: state.rows + rowCount,
    blocks,
    dataBytes,
    bytes: dataBytes + footer.byteLength,
    footerChecksum: context.checksum([footer]),
  }
  const growth = next.bytes - state.bytes
  assert(growth > 0, 'a file grows with every block')
  context.quota.charge(growth, state.path)
  try {
    context.io.writeAt(state.path, [...header, ...batchViews, footer], state.dataBytes)
  } catch (error) {
    undoAppend(context, state)
    context.quota.release(growth)
    throw error
  }
  context.quota.countWritten(next.bytes - state.dataBytes)
  return next
}

/** Brings the file back to `state` as far as the disk allows; the error that is on its way matters more. */
function undoAppend({ io }: SpillContext, state: SpillFileState): void {
  try {
    if (state.blocks.length === 0) {
      io.remove(state.path)
    } else {
      io.truncate(state.path, state.dataBytes)
      io.writeAt(state.path, [encodeFooter(state.schema, state.blocks)], state.dataBytes)
    }
  } catch {
    // The footer's checksum tells every later reader that the file is damaged.
  }
}

/** Footers are a function of schema and blocks, so that one can be written again and have the same checksum. */
function encodeFooter(schema: Schema, blocks: readonly SpillBlock[]): Uint8Array {
  const facts = blocks.map(({ rows, checksum }) => `${rows}:${checksum.toString(16)}`).join(',')
  return ipcFileFooter(schema, blocks, new Map([[blocksKey, facts]]))
}

/**
 * Finds the blocks of a file that another worker wrote.
 * @param totals the file's totals, from the arena
 * @param schema what the caller expects in it
 * @throws SpillCorruptionError when the footer is not the one that was written, SpillIoError
 */
export function openSpillFile(
  context: SpillContext,
  path: string,
  totals: SpillTotals,
  schema: Schema,
): SpillFileState {
  if (totals.blockCount === 0) return newSpillFile(path, schema)
  const footer = new Uint8Array(totals.bytes - totals.dataBytes)
  const filled = context.io.readAt(path, footer, totals.dataBytes)
  context.quota.countRead(filled)
  if (filled !== footer.byteLength) throw truncated(path, 'footer', footer.byteLength, filled)
  if (context.checksum([footer]) !== totals.footerChecksum) throw corrupt(path, 'footer', 'checksum differs')
  const decoded = decodeOrCorrupt(path, 'footer', () => readIpcFooter(footer))
  assertSchemaEquals(decoded.schema, schema)
  const blocks = joinBlockFacts(path, decoded)
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0)
  assert(blocks.length === totals.blockCount, 'a footer lists the blocks that the totals count')
  assert(rows === totals.rows, 'the blocks of a footer have the rows that the totals count')
  const { dataBytes, bytes, footerChecksum } = totals
  return { path, schema, rows, blocks, dataBytes, bytes, footerChecksum }
}

function joinBlockFacts(path: string, footer: IpcFooter): SpillBlock[] {
  const facts = (footer.metadata.get(blocksKey) ?? '').split(',')
  if (facts.length !== footer.blocks.length) throw corrupt(path, 'footer', 'checksums are missing')
  return footer.blocks.map((block, index) => {
    const [rows, checksum] = facts[index]!.split(':')
    return { ...block, rows: Number(rows), checksum: BigInt(`0x${checksum}`) }
  })
}

function assertSchemaEquals(found: Schema, expected: Schema): void {
  const same =
    found.fields.length === expected.fields.length &&
    found.fields.every((field, index) => {
      const other = expected.fields[index]!
      return field.name === other.name && typeEquals(field.type, other.type)
    })
  const names = found.fields.map(({ name, type }) => `${name} ${typeName(type)}`).join(', ')
  assert(same, `a spill file is opened with the schema it was written with (it has ${names})`)
}

/**
 * Reads block `index` into the arena and verifies it.
 * @param address where to put it: divisible by 64, with `blockBytes(block)` bytes that the caller owns
 * @returns its columns as views of those bytes
 * @throws SpillCorruptionError, SpillIoError
 */
export function readBlock(context: SpillContext, state: SpillFileState, index: number, address: number): DecodedBatch {
  const block = state.blocks[index]
  assert(block !== undefined, 'a block that is read exists')
  assert(address % BLOCK_ALIGNMENT === 0, 'a block is read to a 64-byte boundary')
  const bytes = blockBytes(block)
  assert(address + bytes <= context.memory.buffer.byteLength, 'a block is read into the arena')
  const target = new Uint8Array(context.memory.buffer, address, bytes)
  const filled = context.io.readAt(state.path, target, block.offset)
  context.quota.countRead(filled)
  const part = `block ${index}`
  if (filled !== bytes) throw truncated(state.path, part, bytes, filled)
  if (context.checksum([target]) !== block.checksum) throw corrupt(state.path, part, 'checksum differs')
  // The metadata is copied because it is decoded with views that shared memory does not allow.
  const metadata = target.slice(0, block.metadataBytes)
  const batch = decodeOrCorrupt(state.path, part, () =>
    readRecordBatch(metadata, target.subarray(block.metadataBytes), state.schema),
  )
  assert(batch.rowCount === block.rows, 'a block has the rows that its footer names')
  return batch
}

/** Removes a spill file and gives its bytes back. A file that was never written is no error. */
export function removeSpillFile(context: SpillContext, path: string, bytes: number): void {
  context.io.remove(path)
  context.quota.release(bytes)
}

/** What passed its checksum but does not decode was damaged before it was hashed; the user's remedy is the same. */
function decodeOrCorrupt<T>(path: string, part: string, decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    throw corrupt(path, part, cause instanceof Error ? cause.message : String(cause))
  }
}

function truncated(path: string, part: string, expected: number, found: number): SpillwayError {
  return corrupt(path, part, `truncated: ${found} of ${expected} bytes`)
}

function corrupt(path: string, part: string, reason: string): SpillwayError {
  return makeError(
    'SPILL_CORRUPTION',
    `Spill file is damaged: ${part} of "${path}" (${reason}). The disk returned other bytes than were written.`,
    { path, part, reason },
  )
}
