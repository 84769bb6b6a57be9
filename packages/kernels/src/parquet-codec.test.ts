/** Decompressors of Snappy and LZ4 against builders and naive twins: whole, in pieces, through windows, corrupt. */
import { expect, it } from 'vitest'
import { codecStep } from './parquet-codec-kernels.ts'
import { createTestArena } from './test-arena.ts'
import { type DriverOptions, runCodec, type StreamingCodec } from './testing/codec-driver.ts'
import {
  type BuiltStream,
  createRandom,
  Lz4Builder,
  naiveLz4,
  naiveSnappy,
  randomBytes,
  randomLz4,
  randomSnappy,
  SnappyBuilder,
} from './testing/codec-streams.ts'

const arena = createTestArena(160)
const { kernels } = arena
const snappy: StreamingCodec = {
  stateBytes: kernels.snappyStateBytes,
  begin: kernels.snappyBegin,
  step: kernels.snappyStep,
}
const lz4: StreamingCodec = {
  stateBytes: kernels.lz4RawStateBytes,
  begin: kernels.lz4RawBegin,
  step: kernels.lz4RawStep,
}
const { done, corrupt, windowTooSmall } = codecStep
const codecs = [
  { name: 'snappy', codec: snappy, build: randomSnappy, naive: naiveSnappy },
  { name: 'lz4', codec: lz4, build: randomLz4, naive: naiveLz4 },
] as const

function expectDone(codec: StreamingCodec, built: BuiltStream, options: DriverOptions = {}): void {
  const { result, bytes } = runCodec(arena, codec, built.stream, built.bytes.length, options)
  // Comparing buffers first: matchers are slow on long arrays.
  if (result !== done || Buffer.compare(bytes, built.bytes) !== 0) {
    expect({ result, bytes }).toEqual({ result: done, bytes: built.bytes })
  }
}

function resultOf(codec: StreamingCodec, stream: ArrayLike<number>, total: number, options: DriverOptions = {}) {
  return runCodec(arena, codec, Uint8Array.from(stream), total, options).result
}

/** 484 bytes of text as other libraries compress it. */
const known = {
  text: [
    ...Array.from({ length: 60 }, (_, i) => `${i % 7}:${(i * i) % 100};`),
    'a'.repeat(100),
    'abcdefghijk'.repeat(9),
  ].join(''),
  snappy:
    '5APwRjA6MDsxOjE7Mjo0OzM6OTs0OjE2OzU6MjU7NjozNjswOjQ5OzE6NjQ7Mjo4MTszOjA7NDoyMTs1OjQ0OzY6Njk7MDo5NjsxATEcMjo1' +
    'NjszOjgBRSgyNDs1OjYxOzY6MAFEEDE7MTo4AUQYMjk7Mzo3NgFFCDU7NQEKADYBFAAwAR4IMTo0AYgIMDszAToANAlEDDg5OzYBWAAwAWIU' +
    'MTo5NjsyAXYMMzo0NAEjAYocMDs2OjgxOzABpgAxAbAAMgG6ADMBMQA0Cc4BRAw0OzA6AYcQMDsyOjEBQBQ7NDo5OzUBIQA2ASsAMAE1DT8A' +
    'NiEMDDgxO2H+AQCOAQAkYmNkZWZnaGlqa/4LAF4LAA==',
  lz4:
    '9IkwOjA7MToxOzI6NDszOjk7NDoxNjs1OjI1OzY6MzY7MDo0OTsxOjY0OzI6ODE7MzowOzQ6MjE7NTo0NDs2OjY5OzA6OTY7MToyNTsyOjU2' +
    'OzM6ODk7NDoyNDs1OjYxOzY6MDswOjQxOzE6ODQ7MjoyOTszOjc2OzQ6MjU7NTo3Njs2OjI5OzA6ODQ7MTo0MTsyOjA7Mzo2MUQA9Aw4OTs2' +
    'OjU2OzA6MjU7MTo5NjsyOjY5OzM6NDSKAPQLMDs2OjgxOzA6NjQ7MTo0OTsyOjM2OzM6MjXOAPQZOTs2OjQ7MDoxOzE6MDsyOjE7Mzo0OzQ6' +
    'OTs1OjE2OzY6MjU7MDozNj8AnzY0OzM6ODE7YQEAUa9iY2RlZmdoaWprCwBAUGdoaWpr',
}

it('reads what other libraries wrote', () => {
  const bytes = Buffer.from(known.text)
  expect(bytes.length).toBe(484)
  expectDone(snappy, { stream: Buffer.from(known.snappy, 'base64'), bytes })
  expectDone(lz4, { stream: Buffer.from(known.lz4, 'base64'), bytes })
})

for (const { name, codec, build, naive } of codecs) {
  it(`${name}: every length 0 … 130 and longer ones, whole and in pieces`, () => {
    const random = createRandom(7)
    const lengths = [...Array.from({ length: 131 }, (_, i) => i), 1000, 4095, 65537, 200_001, 500_000]
    for (const total of lengths) {
      for (let variant = 0; variant < (total <= 130 ? 8 : 2); variant++) {
        const built = build(random, total)
        if (total <= 4095) expect(naive(built.stream, total)).toEqual(built.bytes)
        expectDone(codec, built)
        const pieceBytes = total > 130 ? 2000 : ([1, 3, 30, 200] as const)[variant % 4]!
        expectDone(codec, built, { nextPiece: () => random.below(pieceBytes + 1) })
      }
    }
  })

  it(`${name}: through windows that slide, with literals longer than they are`, () => {
    const random = createRandom(8)
    for (let round = 0; round < 300; round++) {
      const historyBytes = 1 + random.below(3000)
      const built = build(random, 1 + random.below(20_000), historyBytes, round % 3 === 0 ? 5000 : 300)
      const roomBytes = 256 + random.below(round % 2 ? 100 : 4000)
      expectDone(codec, built, { historyBytes, roomBytes })
      expectDone(codec, built, { historyBytes, roomBytes, nextPiece: () => random.below(400) })
    }
  })

  it(`${name}: agrees with the twin on 100,000 mutated streams, and stays in its bounds`, { timeout: 60_000 }, () => {
    const random = createRandom(9)
    let valid = 0
    for (let round = 0; round < 100_000; ) {
      const built = build(random, 1 + random.below(random.below(4) ? 300 : 1500), 65535, 40)
      for (let mutation = 0; mutation < 20; mutation++, round++) {
        const cut = random.below(4) ? built.stream.length : random.below(built.stream.length + 8)
        const stream = new Uint8Array(cut)
        stream.set(built.stream.subarray(0, cut))
        for (let change = random.below(4); change > 0 && cut > 0; change--)
          stream[random.below(cut)] = random.below(256)
        const total = random.below(20) ? built.bytes.length : random.below(2000)
        const expected = naive(stream, total)
        const { result, bytes } = runCodec(arena, codec, stream, total)
        if (expected === undefined ? result !== corrupt : result !== done || Buffer.compare(bytes, expected) !== 0) {
          expect({ round, result, stream, bytes }).toEqual({
            round,
            result: expected ? done : corrupt,
            stream,
            expected,
          })
        }
        if (expected !== undefined) valid++
        if (mutation % 5 === 0) {
          const options = { historyBytes: 2000, roomBytes: 256, nextPiece: () => random.below(100) }
          const pieces = runCodec(arena, codec, stream, total, options)
          if (pieces.result !== result) expect(pieces).toEqual({ round, result })
        }
      }
    }
    // Both outcomes were met.
    expect(valid).toBeGreaterThan(10_000)
    expect(valid).toBeLessThan(90_000)
  })

  it(`${name}: every beginning of a stream is corrupt, and so is one with a byte more`, () => {
    const { stream, bytes } = build(createRandom(10), 700)
    const total = bytes.length
    for (let length = 0; length < stream.length; length++) {
      expect(resultOf(codec, stream.subarray(0, length), total)).toBe(corrupt)
    }
    for (const byte of [0, 1, 16, 255]) {
      expect(resultOf(codec, [...stream, byte], total)).toBe(corrupt)
      expect(resultOf(codec, [...stream, byte], total, { nextPiece: () => 1 })).toBe(corrupt)
    }
    expect(resultOf(codec, stream, total - 1)).toBe(corrupt)
    expect(resultOf(codec, stream, total + 1)).toBe(corrupt)
  })
}

/** A tail that keeps what stands before it far from all ends, so that the fast paths do it. */
const tail = randomBytes(createRandom(1), 400)

it('overlapping copies of every distance 1 … 40 and length', () => {
  const start = Array.from({ length: 41 }, (_, i) => 100 + i)
  for (let distance = 1; distance <= 40; distance++) {
    const block = new Lz4Builder()
    for (let length = 1; length <= 64; length++) {
      for (const form of [2, 4] as const) {
        const built = new SnappyBuilder().literal(start).copy(form, distance, length)
        expectDone(snappy, built.finish())
        expectDone(snappy, built.literal(tail).finish())
      }
      if (length >= 4 && length <= 11) {
        expectDone(snappy, new SnappyBuilder().literal(start).copy(1, distance, length).literal(tail).finish())
      }
      if (length < 4) continue
      block.sequence(start, distance, length)
      expectDone(lz4, new Lz4Builder().sequence(start, distance, length).sequence([], 0, 0).finish())
      expectDone(lz4, new Lz4Builder().sequence(start, distance, length).sequence(tail, 0, 0).finish())
    }
    expectDone(lz4, block.sequence(start, distance, 100_000).sequence(tail, 0, 0).finish(), {
      historyBytes: 40,
      roomBytes: 300,
    })
  }
})

it('distances up to the largest of each form', () => {
  const random = createRandom(11)
  const start = randomBytes(random, 70_000)
  const built = new SnappyBuilder().literal(start, 3)
  for (const distance of [1, 2047, 255, 256]) built.copy(1, distance, 11)
  for (const distance of [2048, 65535, 32768]) built.copy(2, distance, 64)
  for (const distance of [65536, 70_000, 1]) built.copy(4, distance, 64)
  expectDone(snappy, built.literal(tail).finish())
  expectDone(snappy, built.finish(), { historyBytes: 71_000, roomBytes: 256, nextPiece: () => random.below(4000) })
  const block = new Lz4Builder().sequence(start, 65535, 300)
  expectDone(lz4, block.sequence(tail, 65535, 5).sequence(tail, 0, 0).finish())
})

it('a distance of 0, or from before the first byte, is corrupt; one from before the window is not', () => {
  for (const end of [tail.subarray(0, 1), tail]) {
    for (const [distance, expected] of [
      [10, done],
      [0, corrupt],
      [11, corrupt],
      [65535, corrupt],
    ] as const) {
      const stream = new SnappyBuilder().literal(tail.subarray(0, 10)).copy(2, distance, 5).literal(end).finish()
      expect(resultOf(snappy, stream.stream, stream.bytes.length)).toBe(expected)
      const block = new Lz4Builder()
        .sequence(tail.subarray(0, 10), distance || 1, 5)
        .sequence(end, 0, 0)
        .finish()
      if (distance === 0) block.stream.set([0, 0], 11)
      expect(resultOf(lz4, block.stream, block.bytes.length)).toBe(expected)
    }
  }
  for (const historyBytes of [1999, 2000]) {
    const expected = historyBytes === 2000 ? done : windowTooSmall
    const options = { historyBytes, roomBytes: 256 }
    const start = randomBytes(createRandom(12), historyBytes + 256)
    for (const end of [tail.subarray(0, 1), tail]) {
      const built = new SnappyBuilder().literal(start).copy(2, 2000, 20).literal(end).finish()
      expect(resultOf(snappy, built.stream, built.bytes.length, options)).toBe(expected)
      const block = new Lz4Builder().sequence(start, 2000, 20).sequence(end, 0, 0).finish()
      expect(resultOf(lz4, block.stream, block.bytes.length, options)).toBe(expected)
    }
  }
})

it('bytes that stood in the window before the stream began are no history', () => {
  const options = { historyBytes: 3000, roomBytes: 1000, foreignBytes: 100 }
  for (const [distance, expected] of [
    [10, done],
    [11, corrupt],
    [110, corrupt],
  ] as const) {
    const stream = new SnappyBuilder().literal(tail.subarray(0, 10)).copy(2, distance, 5).literal(tail).finish()
    expect(resultOf(snappy, stream.stream, stream.bytes.length, options)).toBe(expected)
    const block = new Lz4Builder().sequence(tail.subarray(0, 10), distance, 5).sequence(tail, 0, 0).finish()
    expect(resultOf(lz4, block.stream, block.bytes.length, options)).toBe(expected)
  }
})

it('a length of LZ4 that wraps around 32 bits is corrupt', () => {
  // 15 + 255 × 16843009 + 6 = 2^32 + 20
  const stream = new Uint8Array(1 + 16843009 + 1 + 20).fill(255)
  stream[0] = 0xf0
  stream.set([6, ...tail.subarray(0, 20)], stream.length - 21)
  expect(runCodec(arena, lz4, stream, 20, { nextPiece: () => 500_000 }).result).toBe(corrupt)
})

it('lengths beyond the result are corrupt', () => {
  const honest = new SnappyBuilder().literal(tail)
  expect(resultOf(snappy, honest.finish().stream, 400)).toBe(done)
  expect(resultOf(snappy, honest.finish(399).stream, 399)).toBe(corrupt)
  expect(resultOf(snappy, honest.finish(401).stream, 400)).toBe(corrupt)
  expect(resultOf(snappy, honest.finish(401).stream, 401)).toBe(corrupt)
  // A header of five bytes may not exceed 32 bits, nor may it go on.
  expect(resultOf(snappy, [0x80, 0x80, 0x80, 0x80, 0x10, 0], 0)).toBe(corrupt)
  expect(resultOf(snappy, [0x80, 0x80, 0x80, 0x80, 0x80, 0], 0)).toBe(corrupt)
  expect(resultOf(snappy, [0x80, 0x80, 0x80, 0x80, 0x00], 0)).toBe(done)
  // Literals and copies of 4 GiB, and lengths that would wrap.
  expect(resultOf(snappy, [200, 1, 63 << 2, 255, 255, 255, 255, ...tail], 200)).toBe(corrupt)
  expect(resultOf(lz4, [0xf0, ...new Array<number>(300).fill(255), 0, ...tail], 60_000)).toBe(corrupt)
  expect(resultOf(lz4, [0x1f, 1, 1, 0, ...new Array<number>(300).fill(255), 0, ...tail], 60_000)).toBe(corrupt)
  expect(resultOf(lz4, [0], 0)).toBe(done)
  expect(resultOf(lz4, [], 0)).toBe(corrupt)
})
