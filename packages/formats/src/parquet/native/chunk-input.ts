/**
 * The stored bytes of a column chunk, through a buffer in the arena: positional reads, never beyond the chunk.
 *
 *   buffer  ┌─ read before ─┬─ unread ─┬─ room ─┐        cursor … end are unread bytes that are there
 *                         cursor      end
 */
import type { ReaderContext } from './reader-context.ts'

/**
 * Fills `target`, a view of the arena, from `fileOffset` on. `page` is for errors.
 * @throws DataError when the file ends before
 */
export type ReadBytes = (target: Uint8Array, fileOffset: number, page: number | undefined) => void

export class ChunkInput {
  /** Address of the next unread byte. */
  cursor: number
  /** Address behind the unread bytes that are there. */
  end: number
  /** Bytes read from the file since the reader was made. */
  bytesRead = 0
  readonly capacity: number
  readonly #context: ReaderContext
  readonly #address: number
  #read: ReadBytes = () => {}
  /** Nothing behind this file offset is read before it is needed: what follows is going to be passed over. */
  aheadEnd = 0
  /** File offset of the byte that belongs at `end`. */
  #endOffset = 0
  #chunkEnd = 0

  constructor(context: ReaderContext, address: number, capacity: number) {
    this.#context = context
    this.#address = address
    this.capacity = capacity
    this.cursor = address
    this.end = address
  }

  open(read: ReadBytes, start: number, chunkEnd: number): void {
    this.#read = read
    this.#chunkEnd = chunkEnd
    this.aheadEnd = chunkEnd
    this.cursor = this.#address
    this.end = this.#address
    this.#endOffset = start
  }

  /** File offset of the next unread byte. */
  get position(): number {
    return this.#endOffset - (this.end - this.cursor)
  }

  /** Bytes of the chunk from the cursor on. */
  get bytesLeft(): number {
    return this.#chunkEnd - this.position
  }

  /** Goes to a file offset within the chunk; buffered bytes are kept where possible. */
  seek(offset: number): void {
    const buffered = this.#endOffset - (this.end - this.#address)
    if (offset >= buffered && offset <= this.#endOffset) {
      this.cursor = this.end - (this.#endOffset - offset)
      return
    }
    this.cursor = this.#address
    this.end = this.#address
    this.#endOffset = offset
  }

  /**
   * Makes `bytes` bytes (at most the capacity) readable at the cursor, fewer at the chunk's end; the cursor may move.
   * @param ahead bytes to have when something is read at all
   * @returns bytes there
   */
  need(bytes: number, ahead = this.capacity): number {
    const there = this.end - this.cursor
    if (there >= bytes || this.#endOffset >= this.#chunkEnd) return there
    this.#context.kernels.copyBytes(this.cursor, there, this.#address)
    this.cursor = this.#address
    this.end = this.#address + there
    const wanted = Math.max(bytes, Math.min(ahead, this.capacity))
    const most = Math.max(bytes - there, this.aheadEnd - this.#endOffset)
    const count = Math.min(wanted - there, most, this.#chunkEnd - this.#endOffset)
    this.#readTo(this.end, count)
    this.end += count
    return there + count
  }

  /** Copies the next bytes, which are within the chunk, to `target` in the arena. */
  copyTo(target: number, bytes: number): void {
    const there = Math.min(bytes, this.end - this.cursor)
    this.#context.kernels.copyBytes(this.cursor, there, target)
    this.cursor += there
    if (there === bytes) return
    // What follows goes to its place directly; the buffer holds nothing of the file any more.
    this.cursor = this.#address
    this.end = this.#address
    this.#readTo(target + there, bytes - there)
  }

  #readTo(address: number, bytes: number): void {
    const target = this.#context.u8.subarray(address, address + bytes)
    this.#read(target, this.#endOffset, this.#context.place.page)
    this.#endOffset += bytes
    this.bytesRead += bytes
  }
}
