/**
 * The index of a spilled run: per block where it lies and its first key, as words in shared memory, so that every
 * worker finds a key's block without reading.
 *
 *   u64 file << 32 | rows · u64 offset · u64 metadata bytes << 32 | body bytes · u64 checksum · key words · ordinal
 */
import type { SpillBlock } from '@spillway/memory'
import { compareKeyWords } from './key-words.ts'

const FACT_WORDS = 4
const INITIAL_BLOCKS = 16

const wordsPerBlock = (keyWords: number): number => FACT_WORDS + keyWords + 1

/** Collects the index of a run while it is written. */
export class RunIndexBuilder {
  readonly #stride: number
  #words: BigUint64Array
  blockCount = 0

  constructor(keyWords: number) {
    this.#stride = wordsPerBlock(keyWords)
    this.#words = sharedWords(INITIAL_BLOCKS * this.#stride)
  }

  /** @param key words of the block's first key, and its ordinal */
  add(file: number, block: SpillBlock, key: BigUint64Array): void {
    const at = this.blockCount * this.#stride
    if (at + this.#stride > this.#words.length) {
      const larger = sharedWords(this.#words.length * 2)
      larger.set(this.#words)
      this.#words = larger
    }
    this.#words[at] = (BigInt(file) << 32n) | BigInt(block.rows)
    this.#words[at + 1] = BigInt(block.offset)
    this.#words[at + 2] = (BigInt(block.metadataBytes) << 32n) | BigInt(block.bodyBytes)
    this.#words[at + 3] = block.checksum
    this.#words.set(key, at + FACT_WORDS)
    this.blockCount += 1
  }

  finish(): BigUint64Array {
    return this.#words
  }
}

function sharedWords(count: number): BigUint64Array {
  return new BigUint64Array(new SharedArrayBuffer(count * 8))
}

/** Reads an index. */
export class RunIndex {
  readonly #words: BigUint64Array
  readonly #keyWords: number
  readonly blockCount: number

  constructor(words: BigUint64Array, blockCount: number, keyWords: number) {
    this.#words = words
    this.blockCount = blockCount
    this.#keyWords = keyWords
  }

  #at(block: number): number {
    return block * wordsPerBlock(this.#keyWords)
  }

  rows(block: number): number {
    return Number((this.#words[this.#at(block)] as bigint) & 0xffffffffn)
  }

  block(block: number): { readonly file: number; readonly block: SpillBlock } {
    const at = this.#at(block)
    const [first = 0n, offset = 0n, bytes = 0n, checksum = 0n] = this.#words.subarray(at, at + FACT_WORDS)
    return {
      file: Number(first >> 32n),
      block: {
        offset: Number(offset),
        metadataBytes: Number(bytes >> 32n),
        bodyBytes: Number(bytes & 0xffffffffn),
        rows: Number(first & 0xffffffffn),
        checksum,
      },
    }
  }

  /** Words of a block's first key, and its ordinal. */
  firstKey(block: number): BigUint64Array {
    const at = this.#at(block) + FACT_WORDS
    return this.#words.subarray(at, at + this.#keyWords + 1)
  }

  /** The block in which the first row that is not below a bound stands, or the one before it. */
  findBlock(bound: BigUint64Array, order: Uint32Array): number {
    let low = 0
    let high = this.blockCount
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareKeyWords(this.firstKey(middle), 0, bound, 0, order) < 0) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}
