/**
 * The values of a page, decompressed piece by piece into a window: memory follows neither the page nor the row group.
 *
 *   window  ┌─ history ─┬─ read before ─┬─ unread ─┬─ room ─┐        cursor … end are unread bytes that are there
 *                                     cursor      end
 *
 * When the room is used up, the window slides: unread bytes and the history that the codec refers to move to its
 * begin. It grows, with chunk memory, only where a single value or the codec's history needs more.
 */
import { codecState, codecStep } from '@spillway/kernels'
import type { ParquetCodec } from '../file-meta.ts'
import type { ChunkInput } from './chunk-input.ts'
import {
  decompressWhole,
  findStreamCodec,
  likelyUncompressedBytes,
  mostUncompressedBytes,
  pageCodecOf,
  ZSTD_HEAD_BYTES,
  zstdWindowBytes,
} from './page-codecs.ts'
import type { PageCodec, StreamCodec } from './page-codecs.ts'
import type { PageChecksum } from './page-check.ts'
import { ChunkRegion } from './reader-context.ts'
import type { ReaderContext } from './reader-context.ts'

/** Behind the last byte of a window: what codecs clobber and kernels read. */
const SLACK_BYTES = 128
/** With less room than this a codec may make no progress. */
const ROOM_BYTES = 512
/** Bytes decompressed at a time: they are still in the cache when they are decoded. */
const PIECE_BYTES = 128 * 1024

/** Pages of less than this go through ordinary memory without being counted. */
const WHOLE_BYTES = 1 << 20

/** What of a page is decompressed. */
export interface PageExtent {
  readonly uncompressedBytes: number
  readonly compressedBytes: number
  readonly isCompressed: boolean
  /** The page shall stand in the window as a whole. */
  readonly isWhole: boolean
  /** To be compared before any value is read; undefined = there is none, or it was. */
  readonly checksum: PageChecksum | undefined
}

/**
 * Old versions of Arrow compressed pages of version 2 and marked them as not compressed (ARROW-10353, ARROW-17100): the
 * mark is not believed where the sizes contradict it.
 */
const isCompressed = (extent: PageExtent): boolean =>
  extent.isCompressed || extent.compressedBytes !== extent.uncompressedBytes

export class PageWindow {
  /** Address of the next unread byte. */
  cursor: number
  /** Address behind the unread bytes that are there. */
  end: number
  readonly #context: ReaderContext
  readonly #input: ChunkInput
  readonly #fixed: { address: number; bytes: number }
  readonly #grown: ChunkRegion
  readonly #frame: ChunkRegion
  readonly #state: number
  #codec: ParquetCodec = 'uncompressed'
  #stream: StreamCodec | undefined
  /** The codec that the state was zeroed for. */
  #cleared: StreamCodec | undefined
  /** How the chunk's pages are brought, and how this one is. */
  #way: PageCodec = 'copied'
  #pageWay: PageCodec = 'copied'
  /** Bytes before `end` that the codec may refer to. */
  #history = 0
  /** The region in use. */
  #base: number
  #limit: number
  #total = 0
  #produced = 0
  /** File offsets of the page's stored values. */
  #stored = 0
  #storedEnd = 0
  /** Takes the stored bytes that pass, while the page is brought as a whole. */
  #checksum: PageChecksum | undefined

  /** @param state address of codecStateBytes(...) bytes */
  constructor(context: ReaderContext, input: ChunkInput, address: number, bytes: number, state: number) {
    this.#context = context
    this.#input = input
    this.#fixed = { address, bytes }
    this.#grown = new ChunkRegion(context.chunkMemory)
    this.#frame = new ChunkRegion(context.chunkMemory)
    this.#state = state
    this.cursor = address
    this.end = address
    this.#base = address
    this.#limit = address
  }

  /** All pages that follow are of this codec. @throws DataError UNSUPPORTED_TYPE */
  openChunk(codec: ParquetCodec): void {
    if (this.#codec !== codec) {
      this.#way = pageCodecOf(this.#context, codec)
      this.#stream = findStreamCodec(this.#context.kernels, codec)
      this.#codec = codec
    }
    this.#total = 0
    this.#produced = 0
    this.#use(this.#fixed)
  }

  /**
   * Begins with the page whose stored values stand at the input's cursor.
   * @throws DataError PARQUET_CORRUPT, PAGE_CHECKSUM_MISMATCH
   */
  openPage(extent: PageExtent): void {
    this.#total = extent.uncompressedBytes
    this.#produced = 0
    this.#stored = this.#input.position
    this.#storedEnd = this.#stored + extent.compressedBytes
    this.#pageWay = isCompressed(extent) && extent.compressedBytes > 0 ? this.#way : 'copied'
    // Of a page that is stored as it is, what is there counts, as for other readers: its second size says nothing.
    if (this.#pageWay === 'copied') this.#total = extent.compressedBytes
    else this.#refuseImpossible(extent)
    this.#history = this.#pageWay === 'streamed' ? this.#historyBytes() : 0
    const needs = this.#regionBytes(extent.isWhole)
    const isWhole = this.#isBroughtWhole(extent, needs)
    const inflated = this.#pageWay === 'whole' ? this.#inflateWhole() : undefined
    if (needs > this.#fixed.bytes) this.#use({ address: this.#grown.require(needs), bytes: this.#grown.bytes })
    else {
      this.#grown.release()
      this.#use(this.#fixed)
    }
    if (this.#pageWay === 'streamed') this.#beginStream(this.#total)
    else if (this.#pageWay === 'framed') this.#inflateFramed()
    if (inflated !== undefined) {
      this.#context.u8.set(inflated, this.end)
      this.end += this.#total
      this.#produced = this.#total
      this.#frame.release()
    }
    if (isWhole) this.#bringWhole()
  }

  /**
   * Whether a page is brought as a whole: because it must, or for the sake of its checksum, where its region of `needs`
   * bytes has room for it. Where it has not, the page is read for its checksum first.
   */
  #isBroughtWhole({ checksum, isWhole }: PageExtent, needs: number): boolean {
    this.#checksum = checksum
    if (isWhole) return true
    // The other ways of bringing a page compare the checksum themselves.
    if (checksum === undefined || (this.#pageWay !== 'copied' && this.#pageWay !== 'streamed')) return false
    if (this.#total + SLACK_BYTES + ROOM_BYTES <= Math.max(needs, this.#fixed.bytes)) return true
    checksum.verify()
    this.#checksum = undefined
    return false
  }

  #bringWhole(): void {
    const checksum = this.#checksum
    try {
      while (this.more());
      checksum?.finish()
    } catch (error) {
      // What went wrong may come of changed bytes, which are the better thing to tell.
      checksum?.verify()
      throw error
    } finally {
      this.#checksum = undefined
    }
  }

  /** A size that cannot be right must not make the window grow. */
  #refuseImpossible({ compressedBytes, uncompressedBytes }: PageExtent): void {
    if (uncompressedBytes <= mostUncompressedBytes(this.#codec, compressedBytes)) return
    throw this.#context.damage('a page claims to expand to more than its codec can')
  }

  /** Output that the page's codec refers to. */
  #historyBytes(): number {
    const declared = this.#stream?.historyBytes ?? 0
    if (this.#codec !== 'zstd') return declared
    const there = this.#input.need(Math.min(ZSTD_HEAD_BYTES, this.#storedEnd - this.#stored))
    const { cursor } = this.#input
    return Math.max(declared, zstdWindowBytes(this.#context.u8.subarray(cursor, cursor + there)))
  }

  /**
   * What a window for the page must have: all of it, or history, room, and something unread. Sizes that the stored
   * bytes do not suggest are believed when the window has grown to them, and not before.
   */
  #regionBytes(isWhole: boolean): number {
    const all = this.#total + SLACK_BYTES + ROOM_BYTES
    if (this.#pageWay === 'copied') return isWhole ? all : 0
    if (this.#pageWay !== 'streamed') return all
    const needs = isWhole ? all : Math.min(all, this.#history + 2 * this.#room() + SLACK_BYTES)
    return Math.min(needs, likelyUncompressedBytes(this.#storedBytes()))
  }

  #room(): number {
    return this.#pageWay === 'streamed' ? Math.max(ROOM_BYTES, this.#stream?.roomBytes ?? 0) : ROOM_BYTES
  }

  #use(region: { address: number; bytes: number }): void {
    this.#base = region.address
    this.#limit = region.address + region.bytes - SLACK_BYTES
    this.cursor = region.address
    this.end = region.address
  }

  /** Whether all bytes of the page that are still unread are there. */
  get isComplete(): boolean {
    return this.#produced === this.#total
  }

  /** Unread bytes of the page, there or not. */
  get bytesLeft(): number {
    return this.#total - this.#produced + (this.end - this.cursor)
  }

  /** Whether `more` can bring bytes without taking chunk memory. */
  get hasRoom(): boolean {
    const room = Math.min(this.#room(), this.#total - this.#produced + SLACK_BYTES)
    return this.#limit - this.end + this.#slidable() >= room
  }

  /** Makes `bytes` bytes readable at the cursor. @throws DataError PARQUET_CORRUPT when the page has fewer */
  need(bytes: number): void {
    while (this.end - this.cursor < bytes) {
      if (!this.more()) throw this.#context.damage('a page ends within its values')
    }
  }

  /** Brings further bytes of the page; the unread ones may move. False when all are there. */
  more(): boolean {
    if (this.isComplete) return false
    const room = Math.min(this.#room(), this.#total - this.#produced + SLACK_BYTES)
    if (this.#limit - this.end < room) this.#makeRoom(room)
    if (this.#pageWay === 'copied') this.#copyPiece()
    else this.#decompressPiece()
    return true
  }

  /** Bytes that are neither unread nor history. */
  #slidable(): number {
    return Math.max(0, Math.min(this.cursor, this.end - this.#history) - this.#base)
  }

  #makeRoom(room: number): void {
    const gone = this.#slidable()
    if (this.#limit - this.end + gone < room) {
      this.#grow()
      return
    }
    this.#context.kernels.copyBytes(this.#base + gone, this.end - this.#base - gone, this.#base)
    this.cursor -= gone
    this.end -= gone
  }

  /** Moves what is in the window to a larger region; never larger than the page needs. */
  #grow(): void {
    const wanted = 2 * (this.#limit - this.#base) + this.#room()
    const bytes = Math.min(wanted, this.#total + ROOM_BYTES) + SLACK_BYTES
    const address = this.#context.chunkMemory.take(bytes)
    this.#context.kernels.copyBytes(this.#base, this.end - this.#base, address)
    const moved = address - this.#base
    const { cursor, end } = this
    this.#grown.adopt(address, bytes)
    this.#use({ address, bytes })
    this.cursor = cursor + moved
    this.end = end + moved
  }

  #copyPiece(): void {
    const bytes = Math.min(this.#limit - this.end, this.#total - this.#produced, PIECE_BYTES)
    this.#input.copyTo(this.end, bytes)
    this.#checksum?.pass(this.end, bytes)
    this.end += bytes
    this.#produced += bytes
  }

  #beginStream(bytes: number): void {
    const stream = this.#requireStream()
    if (this.#cleared !== stream) {
      // Tables that a page does not send stay as they are; they never hold what the memory was used for before.
      this.#context.u8.fill(0, this.#state, this.#state + stream.stateBytes)
      this.#cleared = stream
    }
    stream.begin(this.#state, bytes)
  }

  #requireStream(): StreamCodec {
    if (this.#stream === undefined) throw this.#context.damage('a page of this codec cannot be streamed')
    return this.#stream
  }

  /** Steps until some bytes have come. */
  #decompressPiece(): void {
    const stream = this.#requireStream()
    const before = this.#produced
    while (this.#produced === before) {
      const isLast = this.#provideInput(stream)
      const result = this.#step(stream, isLast)
      // With all that the page has produced still there, no larger window would help.
      if (result === codecStep.windowTooSmall && this.#produced > this.end - this.#base) {
        this.#restart()
        return
      }
      if (result < 0) throw this.#context.damage('a page cannot be decompressed')
      if (this.#produced > before) break
      if (result === codecStep.done) throw this.#context.damage('a page decompresses to less than its header says')
      if (result === codecStep.outputFull) {
        // With room for all of the page, a codec that wants more is fed with damage.
        if (this.#limit - this.#base >= this.#total + ROOM_BYTES)
          throw this.#context.damage('a page cannot be decompressed')
        this.#grow()
      } else if (isLast) throw this.#context.damage('the compressed bytes of a page end too early')
    }
  }

  /** Has enough stored bytes in the input's buffer; true when they are the page's last ones. */
  #provideInput(stream: StreamCodec): boolean {
    const input = this.#input
    const left = this.#storedEnd - input.position
    if (input.end - input.cursor < Math.min(left, stream.inputBytes)) input.need(Math.min(left, input.capacity))
    return input.end - input.cursor >= left
  }

  /** One step of the decompressor, from the input's buffer to the window's room. */
  #step(stream: StreamCodec, isLast: boolean): number {
    const context = this.#context
    const input = this.#input
    const state = this.#state
    const inCursor = input.cursor
    const inEnd = Math.min(input.end, inCursor + (this.#storedEnd - input.position))
    context.setWord(state + codecState.inCursor, inCursor)
    context.setWord(state + codecState.inEnd, inEnd)
    context.setWord(state + codecState.isLast, isLast ? 1 : 0)
    context.setWord(state + codecState.windowStart, this.#base)
    context.setWord(state + codecState.outCursor, this.end)
    context.setWord(
      state + codecState.outEnd,
      Math.min(this.#limit, this.end + Math.max(PIECE_BYTES, stream.roomBytes)),
    )
    const result = stream.step(state)
    input.cursor = context.word(state + codecState.inCursor)
    this.#checksum?.pass(inCursor, input.cursor - inCursor)
    const end = context.word(state + codecState.outCursor)
    this.#produced += end - this.end
    this.end = end
    return result
  }

  /** Decompresses the page again, into a region that holds all of it, up to where the window was. */
  #restart(): void {
    const read = this.#produced - (this.end - this.cursor)
    const bytes = this.#total + ROOM_BYTES + SLACK_BYTES
    this.#grown.release()
    this.#use({ address: this.#grown.require(bytes), bytes })
    this.#input.seek(this.#stored)
    this.#checksum?.restart()
    this.#produced = 0
    this.#beginStream(this.#total)
    while (this.#produced < read) this.#decompressPiece()
    this.cursor = this.#base + read
  }

  /** The page's stored bytes have passed before any was decompressed. */
  #finishChecksum(): void {
    this.#checksum?.finish()
    this.#checksum = undefined
  }

  #storedBytes(): number {
    return this.#storedEnd - this.#stored
  }

  /**
   * Through ordinary memory, since the codec has no kernel; as much chunk memory is kept aside, untouched. What a page
   * claims is believed step by step: a few bytes that claim to be a gigabyte do not fail for want of memory.
   */
  #inflateWhole(): Uint8Array {
    const stored = new Uint8Array(this.#storedBytes())
    const input = this.#input
    for (let done = 0; done < stored.length; ) {
      const there = Math.min(input.need(1), stored.length - done)
      stored.set(this.#context.u8.subarray(input.cursor, input.cursor + there), done)
      this.#checksum?.pass(input.cursor, there)
      input.cursor += there
      done += there
    }
    this.#finishChecksum()
    for (let most = WHOLE_BYTES + 64 * stored.length; ; most *= 8) {
      const bytes = Math.min(most, this.#total)
      if (bytes > WHOLE_BYTES) this.#frame.require(bytes)
      const result = decompressWhole(this.#context, this.#codec, stored, this.#total, bytes)
      if (result !== undefined) return result
    }
  }

  /** The old LZ4 codec: blocks with two big-endian sizes in front, as Hadoop writes them, or one block without. */
  #inflateFramed(): void {
    const bytes = this.#storedBytes()
    const from = this.#frame.require(bytes + SLACK_BYTES)
    this.#input.copyTo(from, bytes)
    this.#checksum?.pass(from, bytes)
    this.#finishChecksum()
    if (!this.#tryFrames(from, from + bytes)) {
      this.end = this.#base
      if (!this.#tryBlock(from, from + bytes, this.#total)) throw this.#context.damage('a page cannot be decompressed')
    }
    this.#produced = this.#total
  }

  #tryFrames(from: number, fromEnd: number): boolean {
    const { u8 } = this.#context
    const bigEndian = (at: number): number =>
      (((u8[at] as number) << 24) |
        ((u8[at + 1] as number) << 16) |
        ((u8[at + 2] as number) << 8) |
        (u8[at + 3] as number)) >>>
      0
    let at = from
    while (at + 8 <= fromEnd) {
      const plain = bigEndian(at)
      const stored = bigEndian(at + 4)
      at += 8
      if (stored > fromEnd - at || plain > this.#total - (this.end - this.#base)) return false
      if (!this.#tryBlock(at, at + stored, plain)) return false
      at += stored
    }
    return at === fromEnd && this.end - this.#base === this.#total
  }

  #tryBlock(from: number, fromEnd: number, bytes: number): boolean {
    const context = this.#context
    const state = this.#state
    this.#beginStream(bytes)
    const words = { inCursor: from, inEnd: fromEnd, isLast: 1, windowStart: this.end, outCursor: this.end }
    for (const [name, value] of Object.entries(words)) {
      context.setWord(state + codecState[name as keyof typeof words], value)
    }
    context.setWord(state + codecState.outEnd, this.#limit)
    for (;;) {
      const before = context.word(state + codecState.outCursor)
      const result = this.#requireStream().step(state)
      const after = context.word(state + codecState.outCursor)
      if (result === codecStep.done && after - this.end === bytes) {
        this.end = after
        return true
      }
      if (result !== codecStep.outputFull || after === before) return false
    }
  }

  /** Gives all chunk memory back. */
  release(): void {
    this.#grown.release()
    this.#frame.release()
    this.#use(this.#fixed)
    this.#total = 0
    this.#produced = 0
  }
}
