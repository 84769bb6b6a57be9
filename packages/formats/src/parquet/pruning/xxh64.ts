/**
 * xxHash64 (seed 0) of one short value, in bigint arithmetic: the hash of Parquet's Bloom filters. Planning is
 * synchronous and hashes a few literals per row group, so a WebAssembly hash and its start are not worth it here.
 */
const PRIME_1 = 0x9e3779b185ebca87n
const PRIME_2 = 0xc2b2ae3d27d4eb4fn
const PRIME_3 = 0x165667b19e3779f9n
const PRIME_4 = 0x85ebca77c2b2ae63n
const PRIME_5 = 0x27d4eb2f165667c5n
const MASK = (1n << 64n) - 1n

const wrap = (value: bigint): bigint => value & MASK
const rotate = (value: bigint, bits: bigint): bigint => wrap((value << bits) | (value >> (64n - bits)))
const round = (accumulator: bigint, lane: bigint): bigint =>
  wrap(rotate(wrap(accumulator + lane * PRIME_2), 31n) * PRIME_1)

/** @returns the hash as an unsigned 64-bit number */
export function xxh64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let position = 0
  let hash = PRIME_5
  if (bytes.length >= 32) {
    const lanes = [wrap(PRIME_1 + PRIME_2), PRIME_2, 0n, wrap(-PRIME_1)]
    for (; position + 32 <= bytes.length; position += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i] as bigint, view.getBigUint64(position + 8 * i, true))
    }
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint]
    hash = wrap(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n))
    for (const lane of lanes) hash = wrap((hash ^ round(0n, lane)) * PRIME_1 + PRIME_4)
  }
  hash = wrap(hash + BigInt(bytes.length))
  for (; position + 8 <= bytes.length; position += 8) {
    hash = wrap(rotate(hash ^ round(0n, view.getBigUint64(position, true)), 27n) * PRIME_1 + PRIME_4)
  }
  if (position + 4 <= bytes.length) {
    hash = wrap(rotate(hash ^ wrap(BigInt(view.getUint32(position, true)) * PRIME_1), 23n) * PRIME_2 + PRIME_3)
    position += 4
  }
  for (; position < bytes.length; position++) {
    hash = wrap(rotate(hash ^ wrap(BigInt(view.getUint8(position)) * PRIME_5), 11n) * PRIME_1)
  }
  hash = wrap((hash ^ (hash >> 33n)) * PRIME_2)
  hash = wrap((hash ^ (hash >> 29n)) * PRIME_3)
  return hash ^ (hash >> 32n)
}
