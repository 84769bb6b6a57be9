// Parquet's split-block Bloom filters: blocks of 32 bytes, of which a value sets one bit in each of the eight words.
// Values are hashed with XXH64 (seed 0) over their PLAIN bytes, for strings without the length.

const INLINE_MAX: u32 = 12
const BLOCK_BYTES: u32 = 32

const PRIME_1: u64 = 0x9e3779b185ebca87
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f
const PRIME_3: u64 = 0x165667b19e3779f9
const PRIME_4: u64 = 0x85ebca77c2b2ae63
const PRIME_5: u64 = 0x27d4eb2f165667c5

@inline
function round(accumulator: u64, word: u64): u64 {
  return rotl<u64>(accumulator + word * PRIME_2, 31) * PRIME_1
}

@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4
}

/** XXH64 with seed 0. */
export function xxh64(address: usize, length: u32): u64 {
  const end = address + length
  let hash: u64
  if (length >= 32) {
    let lane1: u64 = PRIME_1 + PRIME_2
    let lane2: u64 = PRIME_2
    let lane3: u64 = 0
    let lane4: u64 = 0 - PRIME_1
    do {
      lane1 = round(lane1, load<u64>(address))
      lane2 = round(lane2, load<u64>(address, 8))
      lane3 = round(lane3, load<u64>(address, 16))
      lane4 = round(lane4, load<u64>(address, 24))
      address += 32
    } while (address + 32 <= end)
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18)
    hash = merge(merge(merge(merge(hash, lane1), lane2), lane3), lane4)
  } else {
    hash = PRIME_5
  }
  hash += <u64>length
  while (address + 8 <= end) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(address)), 27) * PRIME_1 + PRIME_4
    address += 8
  }
  if (address + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(address) * PRIME_1), 23) * PRIME_2 + PRIME_3
    address += 4
  }
  while (address < end) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(address) * PRIME_5), 11) * PRIME_1
    address += 1
  }
  hash = (hash ^ (hash >>> 33)) * PRIME_2
  hash = (hash ^ (hash >>> 29)) * PRIME_3
  return hash ^ (hash >>> 32)
}

@inline
function insert(filter: usize, blocks: u32, hash: u64): void {
  const block = filter + <usize>(((hash >>> 32) * <u64>blocks) >>> 32) * BLOCK_BYTES
  const key = <u32>hash
  setBit(block, key * 0x47b6137b)
  setBit(block + 4, key * 0x44974d91)
  setBit(block + 8, key * 0x8824ad5b)
  setBit(block + 12, key * 0xa2b7289d)
  setBit(block + 16, key * 0x705495c7)
  setBit(block + 20, key * 0x2df1424b)
  setBit(block + 24, key * 0x9efc4947)
  setBit(block + 28, key * 0x5c6bfb31)
}

@inline
function setBit(word: usize, product: u32): void {
  store<u32>(word, load<u32>(word) | (1 << (product >>> 27)))
}

/**
 * Adds values that plainFixed wrote.
 * @param filter blocks × 32 bytes
 */
export function bloomFixed(values: usize, count: u32, width: u32, filter: usize, blocks: u32): void {
  for (let k: u32 = 0; k < count; k++) insert(filter, blocks, xxh64(values + <usize>k * width, width))
}

/** Adds the selected, valid strings. */
export function bloomViews(
  views: usize,
  validity: usize,
  selection: usize,
  rowCount: u32,
  filter: usize,
  blocks: u32,
): void {
  for (let k: u32 = 0; k < rowCount; k++) {
    const row = selection == 0 ? k : load<u32>(selection + (<usize>k << 2))
    if (validity != 0 && load<u8>(validity + row) == 0) continue
    const view = views + (<usize>row << 4)
    const length = load<u32>(view)
    insert(filter, blocks, xxh64(length <= INLINE_MAX ? view + 4 : <usize>load<u32>(view, 8), length))
  }
}

/**
 * Halves the filter as often as at most half of its bits stay set (then one of 250 absent values is taken for present).
 * A value's block is proportional to its hash, so neighbours become one.
 * @param blocks a power of two
 * @returns blocks that are left
 */
export function bloomShrink(filter: usize, blocks: u32): u32 {
  while (blocks > 1) {
    const halves = blocks >>> 1
    let ones: u64 = 0
    for (let block: u32 = 0; block < halves; block++) {
      const pair = filter + <usize>block * 64
      for (let word: u32 = 0; word < BLOCK_BYTES; word += 8) {
        ones += popcnt<u64>(load<u64>(pair + word) | load<u64>(pair + word + BLOCK_BYTES))
      }
    }
    if (ones > <u64>halves * 128) break
    for (let block: u32 = 0; block < halves; block++) {
      const pair = filter + <usize>block * 64
      const target = filter + <usize>block * BLOCK_BYTES
      v128.store(target, v128.or(v128.load(pair), v128.load(pair, 32)))
      v128.store(target, v128.or(v128.load(pair, 16), v128.load(pair, 48)), 16)
    }
    blocks = halves
  }
  return blocks
}
