/**
 * The bytes of one buffer of a record batch: in the file, where any part of it can be read, or decompressed in memory.
 *
 * A compressed buffer is decompressed as a whole, since its format has no places to begin at: memory for it is taken
 * when it is loaded, and given back when the record batch ends.
 */
import { codecState, codecStep, type KernelExports } from '@spillway/kernels'
import type { ChunkMemory } from '../../parquet/native/reader-context.ts'
import { codecStateBytes } from '../../parquet/native/page-codecs.ts'
import { ipcDamage, type IpcPlace } from './ipc-damage.ts'
import type { IpcBuffer, IpcCodec } from './read-message.ts'

/** Fills `target` with the bytes at `offset` of the file. @throws DataError */
export type ReadIpc = (target: Uint8Array, offset: number) => void

/** Where readers work: the arena, and pages beyond their fixed buffers. */
export interface IpcArena {
  readonly kernels: KernelExports
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly memory: ChunkMemory
}

/** Bytes before a compressed buffer: its length without compression, or -1 = it is stored as it is. */
const PREFIX_BYTES = 8
/** What decompressors may clobber behind their output, and kernels read behind their input. */
const SLACK_BYTES = 128
/** Bytes that a stored byte can stand for at most. */
const mostPerByte: { readonly [C in IpcCodec]: number } = { lz4: 256, zstd: 32768 }

export interface BufferSource {
  /** Without compression. */
  readonly bytes: number
  /** Brings bytes [from, from + count) to an address of the arena. */
  bring(from: number, count: number, address: number): void
  /** Gives its memory back. */
  close(): void
}

/** A buffer whose bytes are read when they are needed. */
export class FileBuffer implements BufferSource {
  readonly bytes: number
  readonly #offset: number
  readonly #arena: IpcArena
  readonly #read: ReadIpc

  constructor({ offset, bytes }: IpcBuffer, arena: IpcArena, read: ReadIpc) {
    this.bytes = bytes
    this.#offset = offset
    this.#arena = arena
    this.#read = read
  }

  bring(from: number, count: number, address: number): void {
    if (count > 0) this.#read(this.#arena.u8.subarray(address, address + count), this.#offset + from)
  }

  close(): void {}
}

class MemoryBuffer implements BufferSource {
  readonly bytes: number
  readonly #address: number
  readonly #arena: IpcArena

  constructor(address: number, bytes: number, arena: IpcArena) {
    this.#address = address
    this.bytes = bytes
    this.#arena = arena
  }

  bring(from: number, count: number, address: number): void {
    const start = this.#address + from
    this.#arena.u8.copyWithin(address, start, start + count)
  }

  close(): void {
    this.#arena.memory.give(this.#address, this.bytes + SLACK_BYTES)
  }
}

/** What a compressed buffer's prefix says. */
export interface StoredLength {
  /** Bytes without compression. */
  readonly bytes: number
  readonly isCompressed: boolean
}

/** Reads and checks the prefix of a compressed buffer. @throws ARROW_INVALID */
export function readStoredLength(buffer: IpcBuffer, codec: IpcCodec, read: ReadIpc, place: IpcPlace): StoredLength {
  if (buffer.bytes === 0) return { bytes: 0, isCompressed: false }
  if (buffer.bytes < PREFIX_BYTES) throw ipcDamage('a compressed buffer without its length', place)
  const prefix = new Uint8Array(PREFIX_BYTES)
  read(prefix, buffer.offset)
  const bytes = Number(new DataView(prefix.buffer).getBigInt64(0, true))
  const stored = buffer.bytes - PREFIX_BYTES
  if (bytes === -1) return { bytes: stored, isCompressed: false }
  if (!(bytes >= 0 && bytes <= 64 + stored * mostPerByte[codec] && bytes < 2 ** 31)) {
    throw ipcDamage(`a compressed buffer of ${stored} bytes that says it holds ${bytes}`, place)
  }
  return { bytes, isCompressed: bytes > 0 }
}

/** Pages' worth of bytes that loading this buffer keeps, and takes for a moment. */
export function loadBytes({ bytes, isCompressed }: StoredLength, stored: number): { kept: number; passing: number } {
  if (!isCompressed) return { kept: 0, passing: 0 }
  return { kept: bytes + SLACK_BYTES, passing: stored + SLACK_BYTES + codecStateBytes(['zstd']) }
}

/**
 * A buffer of a compressed record batch, decompressed.
 * @throws MEMORY_LIMIT, having given back what it took; ARROW_INVALID
 */
export function loadBuffer(
  buffer: IpcBuffer,
  codec: IpcCodec,
  arena: IpcArena,
  read: ReadIpc,
  place: IpcPlace,
): BufferSource {
  const { bytes, isCompressed } = readStoredLength(buffer, codec, read, place)
  const inner = {
    offset: buffer.offset + Math.min(buffer.bytes, PREFIX_BYTES),
    bytes: Math.max(0, buffer.bytes - PREFIX_BYTES),
  }
  if (!isCompressed) return new FileBuffer({ offset: inner.offset, bytes }, arena, read)
  const { memory } = arena
  const target = memory.take(bytes + SLACK_BYTES)
  try {
    const source = memory.take(inner.bytes + SLACK_BYTES)
    try {
      read(arena.u8.subarray(source, source + inner.bytes), inner.offset)
      const isWhole =
        codec === 'lz4'
          ? arena.kernels.lz4FrameDecode(source, inner.bytes, target, bytes) === 1
          : decodeZstd(arena, { source, stored: inner.bytes, target, bytes })
      if (!isWhole) throw ipcDamage(`a buffer that cannot be decompressed (${codec})`, place)
    } finally {
      memory.give(source, inner.bytes + SLACK_BYTES)
    }
  } catch (error) {
    memory.give(target, bytes + SLACK_BYTES)
    throw error
  }
  return new MemoryBuffer(target, bytes, arena)
}

interface Decoding {
  readonly source: number
  readonly stored: number
  readonly target: number
  readonly bytes: number
}

/** Input and output are there as a whole, so that one step is all. */
function decodeZstd({ kernels, u8, u32, memory }: IpcArena, { source, stored, target, bytes }: Decoding): boolean {
  const stateBytes = codecStateBytes(['zstd'])
  const state = memory.take(stateBytes)
  try {
    u8.fill(0, state, state + kernels.zstdStateBytes())
    u32[(state + codecState.inCursor) >>> 2] = source
    u32[(state + codecState.inEnd) >>> 2] = source + stored
    u32[(state + codecState.isLast) >>> 2] = 1
    u32[(state + codecState.windowStart) >>> 2] = target
    u32[(state + codecState.outCursor) >>> 2] = target
    u32[(state + codecState.outEnd) >>> 2] = target + bytes
    kernels.zstdBegin(state, bytes)
    return kernels.zstdStep(state) === codecStep.done
  } finally {
    memory.give(state, stateBytes)
  }
}
