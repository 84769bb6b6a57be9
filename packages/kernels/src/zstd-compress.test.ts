/** The zstd compressor, read back by the decompressor at once, in pieces and through a window that slides. */
import { expect, it } from 'vitest'
import { decompressStatus as status, ZSTD_INPUT_BYTES, ZSTD_ROOM_BYTES } from './parquet-zstd-kernels.ts'
import { createTestArena } from './test-arena.ts'

const { kernels, u8, u32 } = createTestArena(192)
const page = kernels.pageAlloc(1, 180) >>> 0
const MiB = 1048576
const state = page
const scratch = page + MiB
const source = page + 3 * MiB
const target = page + 5 * MiB
const output = page + 8 * MiB
const levels = [1, 2, 3, 5, 9, 19]

let seed = 99
function random(n: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0
  return Math.floor(((seed >>> 0) / 4294967296) * n)
}

type Maker = (length: number) => Uint8Array
/** Words with a few frequent ones, so that literals, repeats and all match lengths occur. */
const makeWords: Maker = (length) => {
  const words = Array.from({ length: 400 }, () =>
    Buffer.from(Array.from({ length: 2 + random(9) }, () => 97 + random(20))),
  )
  const result = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    const word = words[random(random(400) + 1)]!
    at += word.copy(result, at)
    if (at < length) result[at++] = 32
  }
  return result
}
const makeIntegers: Maker = (length) => {
  const result = Buffer.alloc(length + 8)
  for (let at = 0, value = 1_000_000; at < length; at += 8) result.writeBigInt64LE(BigInt((value += random(300))), at)
  return result.subarray(0, length)
}
const makeSkewed: Maker = (length) => Uint8Array.from({ length }, () => random(random(random(256) + 1) + 1))
const makeRandom: Maker = (length) => Uint8Array.from({ length }, () => random(256))
const makeSame: Maker = (length) => new Uint8Array(length).fill(7)
const makeRuns: Maker = (length) => {
  const result = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const end = at + 1 + random(random(4) === 0 ? 3000 : 20)
    result.fill(random(5), at, end)
    at = end
  }
  return result
}
/** Chunks from anywhere before, some changed: far and repeated offsets. */
const makeCopies: Maker = (length) => {
  const result = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const n = Math.min(1 + random(40), length - at)
    if (at === 0 || random(3) === 0) for (let i = 0; i < n; i++) result[at + i] = random(256)
    else result.copyWithin(at, random(at), random(at) + n)
    at += n
  }
  return result
}
const makers = { makeWords, makeIntegers, makeSkewed, makeRandom, makeSame, makeRuns, makeCopies }

function compress(data: Uint8Array, level: number): number {
  u8.set(data, source)
  // Neither the scratch memory's content nor what follows the source may matter.
  u8.fill(level, scratch, scratch + kernels.zstdScratchBytes())
  const bound = kernels.zstdCompressBound(data.length)
  u8.fill(0xee, target + bound + 64, target + bound + 4096)
  const bytes = kernels.zstdCompress(source, data.length, target, scratch, level)
  expect(bytes).toBeLessThanOrEqual(bound)
  expect(u8.subarray(target + bound + 64, target + bound + 4096).every((byte) => byte === 0xee)).toBe(true)
  return bytes
}

function expectResult(data: Uint8Array, bytes: number): void {
  u32.set([target, target + bytes, 1, output, output, output + data.length], state >>> 2)
  kernels.zstdBegin(state, data.length)
  expect(kernels.zstdStep(state)).toBe(status.done)
  expect(Buffer.compare(u8.subarray(output, output + data.length), data)).toBe(0)
}

it('brings back all lengths 0 … 130, and some around limits', () => {
  const lengths = [
    ...Array.from({ length: 131 }, (_, n) => n),
    255,
    256,
    257,
    1023,
    1024,
    1025,
    4095,
    4096,
    16383,
    16384,
  ]
  for (const maker of Object.values(makers)) {
    for (const length of [...lengths, 65791, 65792, 131071, 131072, 131073]) {
      const data = maker(length)
      const level = levels[length % levels.length]!
      expectResult(data, compress(data, level))
    }
  }
})

/** Sequences of the only block of a frame whose literals are stored as they are, or Huffman-coded. */
function sequencesOf(frame: Uint8Array): number {
  const sizeBytes = [1, 2, 4, 8][(frame[4] as number) >> 6] as number
  const at = 5 + sizeBytes + 3
  const view = Buffer.from(frame)
  const head = view.readUIntLE(at, 5)
  const format = (head >> 2) & 3
  if ((head & 3) === 0) {
    const headBytes = (format & 1) === 0 ? 1 : format === 1 ? 2 : 3
    return countAt(view, at + headBytes + Math.floor((head % 2 ** (8 * headBytes)) / ((format & 1) === 0 ? 8 : 16)))
  }
  const bits = format < 2 ? 10 : format === 2 ? 14 : 18
  return countAt(view, at + (format < 2 ? 3 : format + 2) + (Math.floor(head / 2 ** (4 + bits)) % 2 ** bits))
}

function countAt(view: Buffer, at: number): number {
  const first = view[at] as number
  return first < 128 ? first : ((first - 128) << 8) + (view[at + 1] as number)
}

it('brings back any number of sequences around those that are decoded at a time', () => {
  // Four random bytes and eight zeros: a sequence for every twelve bytes.
  const numbers = makeRandom(12 * 600).map((byte, at) => (at % 12 < 4 ? byte : 0))
  const seen = new Set<number>()
  for (const around of [256, 512]) {
    for (let count = around - 20; count <= around + 40; count++) {
      const data = numbers.subarray(0, 12 * count)
      const bytes = compress(data, 2)
      expectResult(data, bytes)
      seen.add(sequencesOf(u8.slice(target, target + bytes)))
    }
  }
  for (const count of [255, 256, 257, 511, 512, 513]) expect([...seen], String(count)).toContain(count)
})

it('brings back pages of several blocks at all levels, and they shrink', () => {
  const most: Record<keyof typeof makers, number> = {
    ...{ makeWords: 0.4, makeIntegers: 0.3, makeSkewed: 0.85, makeRandom: 1.001 },
    ...{ makeSame: 0.001, makeRuns: 0.15, makeCopies: 0.8 },
  }
  for (const [name, maker] of Object.entries(makers)) {
    const data = maker(MiB + random(200_000))
    for (const level of levels) {
      const bytes = compress(data, level)
      expectResult(data, bytes)
      expect(bytes / data.length).toBeLessThan(most[name as keyof typeof makers])
    }
  }
})

it('makes the same frame whatever the scratch memory holds', () => {
  const data = makeWords(300_000)
  for (const level of levels) {
    const first = u8.slice(target, target + compress(data, level))
    u8.fill(0xff, scratch, scratch + kernels.zstdScratchBytes())
    const bytes = kernels.zstdCompress(source, data.length, target, scratch, level)
    expect(Buffer.compare(u8.subarray(target, target + bytes), first)).toBe(0)
  }
})

/** Decompresses with buffers that move; returns the last status and compares all that comes out. */
function stream(frame: Uint8Array, data: Uint8Array, windowBytes: number): number {
  const input = page + 11 * MiB - 4096
  const room = windowBytes + ZSTD_ROOM_BYTES
  let [given, produced] = [0, 0]
  u32.set([input, input, 0, output, output, output + room], state >>> 2)
  kernels.zstdBegin(state, data.length)
  for (;;) {
    const result = kernels.zstdStep(state)
    const [inCursor, inEnd, , , outCursor, outEnd] = u32.subarray(state >>> 2, (state >>> 2) + 6)
    const out = outCursor! - output
    expect(Buffer.compare(u8.subarray(output, outCursor), data.subarray(produced, produced + out))).toBe(0)
    if (result !== status.needInput && result !== status.outputFull) return result
    if (result === status.needInput) {
      // Unread bytes go to the front, and up to a buffer of new ones behind them.
      const unread = inEnd! - inCursor!
      u8.copyWithin(input, inCursor!, inEnd!)
      const n = Math.min(1 + random(ZSTD_INPUT_BYTES - unread), ZSTD_INPUT_BYTES - unread, frame.length - given)
      u8.set(frame.subarray(given, given + n), input + unread)
      given += n
      u32[state >>> 2] = input
      u32[(state >>> 2) + 1] = input + unread + n
      u32[(state >>> 2) + 2] = given === frame.length ? 1 : 0
    } else {
      // The last windowBytes stay, at the front.
      expect(outEnd! - outCursor!).toBeLessThan(ZSTD_ROOM_BYTES)
      const shift = Math.max(0, out - windowBytes)
      produced += shift
      u8.copyWithin(output, output + shift, outCursor!)
      u32[(state >>> 2) + 4] = outCursor! - shift
    }
  }
}

it('goes through a sliding window, and says when it is too small', () => {
  for (const maker of Object.values(makers)) {
    const data = maker(1_500_000)
    for (const level of [1, 3]) {
      const frame = u8.slice(target, target + compress(data, level))
      expect(stream(frame, data, 2 * MiB)).toBe(status.done)
      if (level > 1) expect(stream(frame, data, 131072)).toBe(status.done)
    }
  }
  const far = makeRandom(300_000)
  far.copyWithin(290_000, 0, 1000)
  const frame = u8.slice(target, target + compress(far, 1))
  expect(stream(frame, far, 300_000)).toBe(status.done)
  expect(stream(frame, far, 100_000)).toBe(status.windowTooSmall)
})
