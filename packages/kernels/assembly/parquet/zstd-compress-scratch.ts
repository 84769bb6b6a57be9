// The zstd compressor's scratch memory: byte offsets, and how sequences are gathered in it.

/** u32 × 3 last offsets; then their values before the block. */
export const REPEAT: u32 = 0
export const REPEAT_BEFORE: u32 = 12
/** Where the next sequence and the next literals go (addresses). */
export const SEQUENCE_END: u32 = 24
export const LITERAL_END: u32 = 28
/** u32 × 256 counts of literals. */
export const LITERAL_COUNTS: u32 = 64
/** u32 × 256: bit count, code << 8. */
export const CODES: u32 = LITERAL_COUNTS + 1024
/** u32 × 512 counts of tree nodes, u16 × 512 parents, u16 × 256 symbols by count, u8 × 512 depths, u8 × 256 weights. */
export const NODE_COUNTS: u32 = CODES + 1024
export const NODE_PARENTS: u32 = NODE_COUNTS + 2048
export const SORTED: u32 = NODE_PARENTS + 1024
export const DEPTHS: u32 = SORTED + 512
export const WEIGHTS: u32 = DEPTHS + 512
/** i16 × 64 normalized counts of each of four codes (the fourth is that of weights). */
export const NORMS: u32 = WEIGHTS + 256
/** u8 × 512 symbols by cell, u16 × 64 places while a table is built. */
export const SPREAD: u32 = NORMS + 512
export const PLACES: u32 = SPREAD + 512
/** u32 × 64 counts of each of four codes. */
export const CODE_COUNTS: u32 = PLACES + 128
/** Four encoding tables: u16 × 512 states, then per symbol { bits u32, place i32 }. */
export const ENCODERS: u32 = CODE_COUNTS + 1024
export const ENCODER_BYTES: u32 = 1536
export const ENCODER_SYMBOLS: u32 = 1024
/** Literals of a block. */
export const LITERALS: u32 = ENCODERS + 4 * ENCODER_BYTES
/** Sequences: literal bytes, match bytes, offset value (RFC 8878: 1 … 3 are repeats), codes (u8 × 3, by kind). */
export const SEQUENCES: u32 = LITERALS + 131072 + 64
/** u32 addresses by hash, and by position the one before with the same hash. */
export const HEADS: u32 = SEQUENCES + 32768 * 16 + 64
export const CHAIN: u32 = HEADS + 4 * 65536
export const CHAIN_LENGTH: u32 = 131072
export const SCRATCH_BYTES: u32 = CHAIN + 4 * CHAIN_LENGTH

// prettier-ignore
const LITERAL_LENGTH_CODES: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 20, 20, 21, 21, 21, 21,
  22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 23, 23, 23, 23, 23, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
  24, 24, 24,
])
// prettier-ignore
const MATCH_LENGTH_CODES: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
  32, 32, 33, 33, 34, 34, 35, 35, 36, 36, 36, 36, 37, 37, 37, 37, 38, 38, 38, 38, 38, 38, 38, 38, 39, 39, 39, 39, 39,
  39, 39, 39, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41,
  41, 41, 41, 41, 41, 41, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42,
  42, 42, 42, 42, 42, 42, 42, 42, 42,
])

/** The offset value of a distance; moves the last offsets as a decompressor will. */
@inline
function offsetValue(scratch: u32, offset: u32, literalBytes: u32): u32 {
  const first = load<u32>(scratch + REPEAT)
  const second = load<u32>(scratch + REPEAT, 4)
  if (offset == first && literalBytes != 0) return 1
  const third = load<u32>(scratch + REPEAT, 8)
  store<u32>(scratch + REPEAT, offset)
  store<u32>(scratch + REPEAT, first, 4)
  const shift = u32(literalBytes == 0)
  if (offset == second) return 2 - shift
  store<u32>(scratch + REPEAT, second, 8)
  if (offset == third) return 3 - shift
  return shift != 0 && offset == first - 1 ? 3 : offset + 3
}

/** Appends a sequence: literals [from, from + literalBytes), then a match of at least 4 bytes. */
@inline
export function appendSequence(scratch: u32, from: u32, literalBytes: u32, offset: u32, matchBytes: u32): void {
  const literals = load<u32>(scratch + LITERAL_END)
  v128.store(literals, v128.load(from))
  if (literalBytes > 16) {
    for (let i: u32 = 16; i < literalBytes; i += 16) v128.store(literals + i, v128.load(from + i))
  }
  store<u32>(scratch + LITERAL_END, literals + literalBytes)
  const value = offsetValue(scratch, offset, literalBytes)
  const at = load<u32>(scratch + SEQUENCE_END)
  store<u32>(at, literalBytes)
  store<u32>(at, matchBytes, 4)
  store<u32>(at, value, 8)
  const match = matchBytes - 3
  let literalCode: u32 = 50 - clz(literalBytes)
  if (literalBytes < 64) literalCode = load<u8>(<u32>LITERAL_LENGTH_CODES + literalBytes)
  let matchCode: u32 = 67 - clz(match)
  if (match < 128) matchCode = load<u8>(<u32>MATCH_LENGTH_CODES + match)
  store<u32>(at, literalCode | ((31 - clz(value)) << 8) | (matchCode << 16), 12)
  store<u32>(scratch + SEQUENCE_END, at + 16)
}

/** Equal bytes of a and b, a < b, up to `end`. */
@inline
export function equalBytes(a: u32, b: u32, end: u32): u32 {
  const start = b
  while (b + 8 <= end) {
    const difference = load<u64>(a) ^ load<u64>(b)
    if (difference != 0) return b - start + <u32>(ctz(difference) >> 3)
    a += 8
    b += 8
  }
  while (b < end && load<u8>(a) == load<u8>(b)) {
    a++
    b++
  }
  return b - start
}
