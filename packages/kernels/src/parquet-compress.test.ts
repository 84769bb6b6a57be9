/** Compressors of Snappy and LZ4, read back by the naive decoders. */
import { expect, it } from 'vitest'
import { codecStep } from './parquet-codec-kernels.ts'
import { createTestArena } from './test-arena.ts'
import { runCodec } from './testing/codec-driver.ts'
import { createRandom, naiveLz4, naiveSnappy, type Random, randomBytes } from './testing/codec-streams.ts'

const arena = createTestArena(160)
const { kernels, u8 } = arena

const codecs = [
  {
    name: 'snappy',
    compress: kernels.snappyCompress,
    bound: kernels.snappyCompressBound,
    scratchBytes: kernels.snappyScratchBytes(),
    codec: { stateBytes: kernels.snappyStateBytes, begin: kernels.snappyBegin, step: kernels.snappyStep },
    naive: naiveSnappy,
  },
  {
    name: 'lz4',
    compress: kernels.lz4RawCompress,
    bound: kernels.lz4RawCompressBound,
    scratchBytes: kernels.lz4RawScratchBytes(),
    codec: { stateBytes: kernels.lz4RawStateBytes, begin: kernels.lz4RawBegin, step: kernels.lz4RawStep },
    naive: naiveLz4,
  },
] as const
type Codec = (typeof codecs)[number]

const scratch = 2 * 1048576
const target = 4 * 1048576
const GUARD = 0xa5

/** Compresses bytes that end 16 bytes before the end of memory: reading further would trap. Checks all bounds. */
function compress(codec: Codec, bytes: Uint8Array): Uint8Array {
  const source = u8.length - 16 - bytes.length
  u8.set(bytes, source)
  const bound = codec.bound(bytes.length)
  const guards = [target - 64, target + bound + 64, scratch - 64, scratch + codec.scratchBytes]
  for (const guard of guards) u8.fill(GUARD, guard, guard + 64)
  const length = codec.compress(source, bytes.length, target, scratch)
  if (length > bound) throw new RangeError('longer than the bound')
  for (const guard of guards) {
    for (let i = 0; i < 64; i++) if (u8[guard + i] !== GUARD) throw new RangeError('written outside of the target')
  }
  return u8.slice(target, target + length)
}

/** Shapes of pages: noise, few values, runs, little-endian integers that grow, repeated pieces, text of few words. */
const shapes: readonly ((random: Random, length: number) => Uint8Array)[] = [
  (random, length) => randomBytes(random, length),
  (random, length) => randomBytes(random, length, 2),
  (random, length) => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; ) {
      const run = 1 + random.below(random.below(4) ? 20 : 400)
      bytes.fill(random.below(256), at, (at += run))
    }
    return bytes
  },
  (random, length) => {
    const integers = new BigInt64Array((length >> 3) + 1)
    let value = 1_000_000n
    for (let i = 0; i < integers.length; i++) integers[i] = value += BigInt(random.below(300))
    return new Uint8Array(integers.buffer, 0, length)
  },
  (random, length) => {
    const bytes = randomBytes(random, length)
    for (let at = 8; at < length; at += 5 + random.below(90)) {
      const from = random.below(at)
      bytes.copyWithin(at, from, from + 4 + random.below(80))
    }
    return bytes
  },
  (random, length) => {
    const words = ['spill', 'way', 'spillway ', 'row', 'rows,', 'group']
    let text = ''
    while (text.length < length) text += words[random.below(words.length)]
    return Buffer.from(text.slice(0, length))
  },
]

for (const codec of codecs) {
  it(`${codec.name}: what is compressed is read back, at every length 0 … 130 and longer`, () => {
    const random = createRandom(21)
    const lengths = [...Array.from({ length: 131 }, (_, i) => i), 255, 256, 257, 5000, 65536, 65800, 200_000]
    for (const [shape, make] of shapes.entries()) {
      // Where the scratch held something else before, it must not matter.
      u8.fill(shape * 37, scratch, scratch + codec.scratchBytes)
      for (const length of [...lengths, ...Array.from({ length: 30 }, () => random.below(3000))]) {
        const bytes = make(random, length)
        const compressed = compress(codec, bytes)
        const restored = codec.naive(compressed, length)
        if (restored === undefined || Buffer.compare(restored, bytes) !== 0) expect(restored).toEqual(bytes)
        const run = runCodec(arena, codec.codec, compressed, length)
        expect(run.result).toBe(codecStep.done)
        if (Buffer.compare(run.bytes, bytes) !== 0) expect(run.bytes).toEqual(bytes)
      }
    }
  })

  it(`${codec.name}: ratios on a page of each shape`, () => {
    const random = createRandom(22)
    const length = 500_000
    const ratio = (shape: number) => length / compress(codec, shapes[shape]!(random, length)).length
    // Noise grows by next to nothing.
    expect(ratio(0)).toBeGreaterThan(0.995)
    expect(ratio(2)).toBeGreaterThan(4)
    expect(ratio(3)).toBeGreaterThan(1.7)
    expect(ratio(5)).toBeGreaterThan(2)
    const zeroes = compress(codec, new Uint8Array(length))
    // A copy of Snappy has at most 64 bytes, one of LZ4 grows by 255 per byte.
    expect(length / zeroes.length).toBeGreaterThan(codec.name === 'snappy' ? 21 : 250)
  })
}

/** Where the last copy of a valid block begins and ends in the result; 0, 0 if there is none. */
function lastCopy(block: Uint8Array): { start: number; end: number } {
  let [at, filled] = [0, 0]
  let last = { start: 0, end: 0 }
  const more = (nibble: number) => {
    let length = nibble
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) byte = block[at++]!
    return length
  }
  for (;;) {
    const token = block[at++]!
    const literal = more(token >> 4)
    at += literal
    if (at >= block.length) return last
    at += 2
    const start = filled + literal
    filled = start + more(token & 15) + 4
    last = { start, end: filled }
  }
}

it('lz4 blocks end with 5 literals, and no copy begins within the last 12 bytes', () => {
  const random = createRandom(24)
  let copies = 0
  for (let length = 1; length <= 1000; length++) {
    for (const bytes of [new Uint8Array(length), shapes[2]!(random, length), shapes[4]!(random, length)]) {
      const { start, end } = lastCopy(compress(codecs[1], bytes))
      if (end === 0) continue
      copies++
      expect(start).toBeLessThanOrEqual(length - 12)
      expect(end).toBeLessThanOrEqual(length - 5)
    }
  }
  expect(copies).toBeGreaterThan(2000)
})
