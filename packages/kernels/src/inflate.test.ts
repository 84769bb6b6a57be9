/** The inflater against Node's zlib: all kinds of blocks, input in pieces, sliding windows, hostile input. */
import { constants, deflateSync, gzipSync, inflateRawSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { decompressStatus as status } from './parquet-zstd-kernels.ts'
import { createTestArena } from './test-arena.ts'

const { kernels, u8, u32 } = createTestArena(64)
const page = kernels.pageAlloc(1, 56) >>> 0
const redZone = 1024
const stateBytes = kernels.inflateStateBytes()
const state = page + redZone
const input = (state + stateBytes + redZone + 63) & ~63
const output = input + 1048576

let seed = 7
function random(n: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0
  return Math.floor(((seed >>> 0) / 4294967296) * n)
}
const makeRandom = (length: number) => Uint8Array.from({ length }, () => random(256))
const makeSkewed = (length: number) => Uint8Array.from({ length }, () => random(random(random(200) + 1) + 1))
/** Pieces from before at all distances, some of them very near. */
function makeCopies(length: number): Uint8Array {
  const result = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const n = Math.min(1 + random(random(9) === 0 ? 700 : 20), length - at)
    const distance = Math.min(1 + random(random(3) === 0 ? 20 : 32768), at)
    if (distance === 0 || random(3) === 0) for (let i = 0; i < n; i++) result[at + i] = 97 + random(random(30) + 1)
    else for (let i = 0; i < n; i++) result[at + i] = result[at + i - distance]!
    at += n
  }
  return result
}
const makers = [makeRandom, makeSkewed, makeCopies, (length: number) => new Uint8Array(length).fill(7)]
const strategies = [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE]

const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

function inflate(stream: Uint8Array, bytes: number): Uint8Array | number {
  u8.set(stream, input)
  u32.set([input, input + stream.length, 1, output, output, output + bytes], state >>> 2)
  kernels.inflateBegin(state, bytes)
  const result = kernels.inflateStep(state)
  return result === status.done ? u8.slice(output, output + bytes) : result
}
function expectSame(stream: Uint8Array, data: Uint8Array): void {
  const result = inflate(stream, data.length)
  if (typeof result === 'number') throw new Error(`Status ${result}`)
  expect(Buffer.compare(result, data)).toBe(0)
}

it('inflates what zlib deflates', () => {
  for (const maker of makers) {
    for (let length = 0; length <= 130; length++) {
      const data = maker(length)
      expectSame(length % 2 === 0 ? deflateSync(data) : gzipSync(data), data)
    }
    const data = maker(150_000)
    for (const strategy of strategies) {
      for (const level of [0, 1, 6, 9])
        expectSame(deflateSync(data, { level, strategy, memLevel: Math.min(level + 1, 9) }), data)
    }
  }
})

it('skips the fields of gzip headers, and takes several members', () => {
  const data = makeCopies(3000)
  const plain = gzipSync(data)
  const parts: Uint8Array[] = []
  for (let flags = 0; flags < 32; flags++) {
    const head = [...plain.subarray(0, 3), flags, ...plain.subarray(4, 10)]
    if ((flags & 4) !== 0) head.push(3, 0, 9, 8, 7)
    if ((flags & 8) !== 0) head.push(...Buffer.from('name\0'))
    if ((flags & 16) !== 0) head.push(...Buffer.from('a comment\0'))
    if ((flags & 2) !== 0) head.push(1, 2)
    parts.push(Buffer.concat([Uint8Array.from(head), plain.subarray(10)]))
    expectSame(parts.at(-1)!, data)
  }
  const all = Buffer.concat(parts)
  expectSame(all, Buffer.concat(parts.map(() => data)))
  expect(inflate(all, data.length * 32 - 1)).toBe(status.corrupt)
  expect(inflate(all, data.length * 32 + 1)).toBe(status.corrupt)
  expect(inflate(Buffer.concat([deflateSync(data), plain]), data.length * 2)).toBe(status.corrupt)
  for (let length = 1; length < plain.length; length++) {
    expect(inflate(plain.subarray(0, length), data.length)).toBe(status.corrupt)
  }
})

it('finds corrupt streams', () => {
  const body = (...bytes: readonly number[]) => Uint8Array.from([0x78, 0x9c, ...bytes, 0, 0, 0, 0])
  expect(inflate(body(1, 2, 0, 0xfd, 0xff, 5, 6), 2)).toEqual(new Uint8Array([5, 6]))
  const corrupt = [
    body(7), // a reserved kind of block
    body(1, 2, 0, 0xfc, 0xff, 5, 6), // a stored length without its complement
    body(0x03, 0x00, 1), // an empty block of fixed codes, for two bytes
    body(0x63, 0x00, 0x82, 0), // a match before the start
    body(0xfd, 0xff, 0xff, 0xff, 0xff, 0xff), // too many codes
    body(0x05, 0xc0, 0x81, 0, 0, 0, 0, 0, 0x10, 0), // incomplete code lengths
    Uint8Array.from([0x78, 0x9d, 3, 0, 0, 0, 0, 1]), // a wrong header check
    Uint8Array.from([0x78, 0xbb, 3, 0, 0, 0, 0, 1]), // a dictionary
    Uint8Array.from([0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]), // another method
    Uint8Array.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 9, 0, 0, 0]), // another size
  ]
  for (const stream of corrupt) expect(inflate(stream, 2)).toBe(status.corrupt)
})

/** Inflates with input in pieces and a window that slides; returns the last status. */
function slide(stream: Uint8Array, data: Uint8Array, piece: number, windowBytes: number, roomBytes: number): number {
  let [given, produced] = [0, 0]
  u32.set([input, input, 0, output, output, output + windowBytes + roomBytes], state >>> 2)
  kernels.inflateBegin(state, data.length)
  for (;;) {
    const result = kernels.inflateStep(state)
    const [inCursor, inEnd, , , outCursor] = u32.subarray(state >>> 2, (state >>> 2) + 6) as unknown as number[]
    const out = outCursor! - output
    if (Buffer.compare(u8.subarray(output, outCursor), data.subarray(produced, produced + out)) !== 0) return -9
    if (result === status.needInput) {
      const unread = inEnd! - inCursor!
      expect(unread).toBeLessThanOrEqual(300)
      expect(given).toBeLessThan(stream.length)
      u8.copyWithin(input, inCursor!, inEnd!)
      const n = Math.min(1 + random(piece), stream.length - given)
      u8.set(stream.subarray(given, given + n), input + unread)
      given += n
      u32.set([input, input + unread + n, given === stream.length ? 1 : 0], state >>> 2)
    } else if (result === status.outputFull) {
      const shift = Math.max(0, out - windowBytes)
      expect(shift).toBeGreaterThan(0)
      produced += shift
      u8.copyWithin(output, output + shift, outCursor!)
      u32[(state >>> 2) + 4] = outCursor! - shift
    } else return result
  }
}

it('takes input in pieces and slides its window', () => {
  for (const maker of makers) {
    const data = maker(200_000)
    for (const level of [0, 1, 9]) {
      const stream = gzipSync(data, { level })
      expect(slide(stream, data, 3000, 32768, 32768)).toBe(status.done)
      expect(slide(stream, data, 400, 32768, 300)).toBe(status.done)
    }
    const short = data.subarray(0, 20_000)
    expect(slide(deflateSync(short), short, 1, 32768, 1)).toBe(status.done)
  }
  const far = makeRandom(30_000)
  far.copyWithin(29_000, 0, 500)
  expect(slide(deflateSync(far), far, 5000, 30_000, 1000)).toBe(status.done)
  expect(slide(deflateSync(far), far, 5000, 20_000, 1000)).toBe(status.windowTooSmall)
})

it('agrees with zlib about hostile input, and stays within its buffers', () => {
  const data = [makeCopies(1500), makeSkewed(900), makeCopies(300), makeRandom(60)]
  const streams = data.flatMap((bytes) =>
    strategies.map((strategy) => ({ bytes, stream: deflateSync(bytes, { strategy }) })),
  )
  const clean = { 0: new Uint8Array(redZone + 64), 255: new Uint8Array(redZone + 64).fill(255) }
  const run = (stream: Uint8Array, bytes: number, fill: 0 | 255) => {
    const inputEnd = input + stream.length
    const zones = [
      [page, state],
      [state + stateBytes, input],
      [inputEnd, inputEnd + redZone],
      [output - redZone, output],
      [output + bytes + 64, output + bytes + 64 + redZone],
    ] as const
    for (const [from, to] of zones) u8.fill(fill, from, to)
    const result = inflate(stream, bytes)
    // The input itself is written by inflate(), the zone behind it is not.
    for (const [from, to] of zones) {
      const zone = u8.subarray(from, to)
      if (Buffer.compare(zone, clean[fill].subarray(0, zone.length)) !== 0) throw new Error('Red zone written')
    }
    return result
  }
  let agreed = 0
  for (let round = 0; round < 100_000; round++) {
    const { bytes, stream } = streams[round % streams.length]!
    const mutant = Buffer.from(stream)
    for (let change = random(3); change >= 0; change--) {
      const at = 2 + random(random(2) === 0 ? Math.min(80, mutant.length - 2) : mutant.length - 2)
      mutant[at] = random(3) === 0 ? random(256) : (mutant[at] ?? 0) ^ (1 << random(8))
    }
    const first = run(mutant, bytes.length, 0)
    // What lies around the buffers must not matter.
    const second = run(mutant, bytes.length, 255)
    const isSame = typeof first === 'number' || typeof second === 'number' ? first === second : equal(first, second)
    if (!isSame) throw new Error('The surroundings matter')
    if (round % 16 !== 0) continue
    const reference = inflateOrNothing(mutant)
    if (typeof first === 'number') expect(reference?.length).not.toBe(bytes.length)
    else {
      expect(Buffer.compare(first, reference ?? Buffer.from('?'))).toBe(0)
      agreed++
    }
  }
  expect(agreed).toBeGreaterThan(150)
})

/** What zlib makes of a zlib stream without its checksum, if all of it is one. */
function inflateOrNothing(stream: Uint8Array): Buffer | undefined {
  try {
    const body = stream.subarray(2, stream.length - 4)
    const { buffer, engine } = inflateRawSync(body, { info: true }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    return engine.bytesWritten === body.length ? buffer : undefined
  } catch {
    return undefined
  }
}
