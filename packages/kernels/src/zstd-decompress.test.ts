/** The zstd decompressor: reference frames, hand-made frames, input in pieces, hostile input between red zones. */
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { decompressStatus as status } from './parquet-zstd-kernels.ts'
import { createTestArena } from './test-arena.ts'
import { zstdFixtures } from './zstd-fixtures.ts'

const arena = createTestArena(64)
const { kernels, u8, u32 } = arena
const page = kernels.pageAlloc(1, 56) >>> 0
const redZone = 1024
const stateBytes = kernels.zstdStateBytes()
const state = page + redZone
const input = (state + stateBytes + redZone + 63) & ~63
const output = input + 1048576

const frames = zstdFixtures.map(({ frame, bytes, md5 }) => ({ frame: Buffer.from(frame, 'base64'), bytes, md5 }))
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** Decompresses in one step; the bytes of the result when done, else the status. */
function decompress(frame: Uint8Array, bytes: number): Uint8Array | number {
  u8.set(frame, input)
  u32.set([input, input + frame.length, 1, output, output, output + bytes], state >>> 2)
  kernels.zstdBegin(state, bytes)
  const result = kernels.zstdStep(state)
  if (result !== status.done) return result
  expect(u32[(state + 16) >>> 2]).toBe(output + bytes)
  return u8.slice(output, output + bytes)
}

/** A frame of a 3-byte header (window 1 KiB … ) and blocks [type, content, size]. */
function makeFrame(blocks: readonly (readonly [type: number, content: readonly number[], size: number])[]): Buffer {
  const parts = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]
  blocks.forEach(([type, content, size], index) => {
    const head = (index === blocks.length - 1 ? 1 : 0) | (type << 1) | (size << 3)
    parts.push(head & 255, (head >> 8) & 255, head >> 16, ...content)
  })
  return Buffer.from(parts)
}
/** A frame of our own compressor: literals of `letters` kinds, random, so that there are hardly any matches. */
function own(bytes: number, letters: number): { frame: Buffer; bytes: number } {
  let word = bytes
  for (let i = 0; i < bytes; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) | 0
    u8[output + i] = 65 + ((word >>> 16) % letters)
  }
  const target = output + 65536
  const length = kernels.zstdCompress(output, bytes, target, target + 65536, 1)
  return { frame: Buffer.from(u8.slice(target, target + length)), bytes }
}
const compressed = (content: readonly number[]) => makeFrame([[2, content, content.length]])

it('decompresses reference frames', () => {
  for (const { frame, bytes, md5: expected } of frames) {
    const result = decompress(frame, bytes)
    expect(typeof result).toBe('object')
    expect(md5(result as Uint8Array)).toBe(expected)
  }
})

it('takes several frames, with skippable and empty frames between them', () => {
  const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5])
  const empty = makeFrame([[0, [], 0]])
  const [a, b] = [frames[0]!, frames[1]!]
  const all = Buffer.concat([skippable, a.frame, empty, skippable, b.frame, a.frame, skippable])
  const one = (fixture: typeof a) => decompress(fixture.frame, fixture.bytes) as Uint8Array
  const expected = Buffer.concat([one(a), one(b), one(a)])
  expect(Buffer.compare(decompress(all, expected.length) as Uint8Array, expected)).toBe(0)
  expect(decompress(all, expected.length - 1)).toBe(status.corrupt)
  expect(decompress(all, expected.length + 1)).toBe(status.corrupt)
  expect(decompress(Buffer.from([]), 0)).toEqual(new Uint8Array())
})

it('reads RLE literals, all sizes of literal headers, and all ways to say how many sequences', () => {
  expect(decompress(compressed([(5 << 3) | 1, 65, 0]), 5)).toEqual(new Uint8Array(5).fill(65))
  expect(decompress(compressed([((300 << 4) & 255) | 5, 300 >> 4, 66, 0]), 300)).toEqual(new Uint8Array(300).fill(66))
  const large = [((70000 << 4) & 255) | 13, (70000 >> 4) & 255, 70000 >> 12, 67, 0]
  expect(decompress(compressed(large), 70000)).toEqual(new Uint8Array(70000).fill(67))
  expect(decompress(compressed([(2 << 3) | 0, 1, 2, 0]), 2)).toEqual(new Uint8Array([1, 2]))
  // All tables are RLE: no literals, a repeated offset, 3 bytes a match; the stream is only its end mark.
  const sequences = (count: readonly number[]) => compressed([(9 << 3) | 1, 68, ...count, 0x54, 0, 0, 0, 1])
  // Literal length 0 turns the first repeated offset into the second one, 4.
  const repeat = (n: number) => Uint8Array.from({ length: n * 3 + 9 }, () => 68)
  const start = makeFrame([
    [0, [68, 68, 68, 68], 4],
    [2, [(9 << 3) | 1, 68, 0xff, 0x00, 0x00, 0x54, 0, 0, 0, 1], 10],
  ])
  expect(decompress(sequences([2]), 15)).toBe(status.corrupt)
  expect(decompress(start, 4 + 0x7f00 * 3 + 9)).toEqual(
    new Uint8Array([...new Uint8Array(4).fill(68), ...repeat(0x7f00)]),
  )
})

it('finds corrupt fields', () => {
  const { frame, bytes } = frames[0]!
  const broken = (at: number, value: number) => {
    const copy = Buffer.from(frame)
    copy[at] = value
    return copy
  }
  expect(decompress(broken(0, 0), bytes)).toBe(status.corrupt)
  expect(decompress(broken(4, frame[4]! | 8), bytes)).toBe(status.corrupt)
  expect(decompress(Buffer.concat([frame, Buffer.from([1])]), bytes)).toBe(status.corrupt)
  for (let length = 1; length < frame.length; length++) {
    expect(decompress(frame.subarray(0, length), bytes)).toBe(status.corrupt)
  }
  const corrupt: readonly (readonly number[])[] = [
    // Reserved block parts: no content, literals longer than the block, no sequence count.
    [],
    [0],
    [(5 << 3) | 0, 1, 2, 3],
    [(2 << 3) | 0, 1, 2],
    // Treeless literals without a table, Huffman headers without content.
    [0x13, 0x40, 0x00, 1, 0],
    [0x12, 0x40, 0x00, 0x80, 0],
    // Reserved bits of the modes, repeated tables that never were, codes beyond their limits.
    [(2 << 3) | 0, 1, 2, 1, 0x01, 1, 1],
    [(2 << 3) | 0, 1, 2, 1, 0xc0, 1, 1],
    [(2 << 3) | 0, 1, 2, 1, 0x30, 1, 1],
    [(2 << 3) | 0, 1, 2, 1, 0x0c, 1, 1],
    [(2 << 3) | 0, 1, 2, 1, 0x54, 36, 0, 0, 1],
    [(2 << 3) | 0, 1, 2, 1, 0x54, 0, 32, 0, 1],
    [(2 << 3) | 0, 1, 2, 1, 0x54, 0, 0, 53, 1],
    // More literals than there are, an offset beyond the start, no end mark, bits left over.
    [(2 << 3) | 0, 1, 2, 1, 0x54, 3, 0, 0, 1],
    [(2 << 3) | 0, 1, 2, 1, 0x54, 2, 5, 0, 0x20],
    [(2 << 3) | 0, 1, 2, 1, 0x54, 2, 0, 0, 0],
    [(2 << 3) | 0, 1, 2, 1, 0x54, 2, 0, 0, 2],
    // Accuracy logs beyond their limits.
    [(2 << 3) | 0, 1, 2, 1, 0x80, 0x0f, 0, 0, 1],
    [(2 << 3) | 0, 1, 2, 1, 0x20, 0x0f, 0, 0, 1],
  ]
  // The last one is right: two literals, then three bytes at distance 1.
  expect(decompress(compressed([(2 << 3) | 0, 1, 2, 1, 0x54, 2, 0, 0, 1]), 5)).toEqual(new Uint8Array([1, 2, 2, 2, 2]))
  for (const content of corrupt) expect(decompress(compressed(content), 5)).toBe(status.corrupt)
  expect(decompress(makeFrame([[3, [], 0]]), 0)).toBe(status.corrupt)
})

it('takes input byte by byte, and waits for room', () => {
  for (const { frame, bytes, md5: expected } of frames) {
    u8.set(frame, input)
    u32.set([input, input, 0, output, output, output], state >>> 2)
    kernels.zstdBegin(state, bytes)
    let result = 0
    let room = 0
    for (let given = 0; given <= frame.length && result >= 0; given++) {
      u32[(state + 4) >>> 2] = input + given
      u32[(state + 8) >>> 2] = given === frame.length ? 1 : 0
      while ((result = kernels.zstdStep(state)) === status.outputFull) {
        expect(room).toBeLessThan(bytes)
        room = Math.min(room + 1000, bytes)
        u32[(state + 20) >>> 2] = output + room
      }
      if (given < frame.length) expect(result).toBe(status.needInput)
    }
    expect(result).toBe(status.done)
    expect(md5(u8.slice(output, output + bytes))).toBe(expected)
  }
})

it('stays within its buffers for hostile input', () => {
  let seed = 12345
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0
    return Math.floor(((seed >>> 0) / 4294967296) * n)
  }
  const run = (frame: Uint8Array, bytes: number, fill: number) => {
    const inputEnd = input + frame.length
    u8.fill(fill, page, state)
    u8.fill(fill, state + stateBytes, input)
    u8.fill(fill, inputEnd, inputEnd + redZone)
    u8.fill(fill, output - redZone, output)
    u8.fill(fill, output + bytes, output + bytes + 64 + redZone)
    u8.set(frame, input)
    u32.set([input, inputEnd, 1, output, output, output + bytes], state >>> 2)
    kernels.zstdBegin(state, bytes)
    const result = kernels.zstdStep(state)
    const zones = [
      [page, state],
      [state + stateBytes, input],
      [inputEnd, inputEnd + redZone],
      [output - redZone, output],
      [output + bytes + 64, output + bytes + 64 + redZone],
    ] as const
    const clean = zones.every(([from, to]) => {
      const zone = u8.subarray(from, to)
      return Buffer.compare(zone, (fill === 0 ? zeros : ones).subarray(0, zone.length)) === 0
    })
    if (!clean) throw new Error('Red zone written')
    return { result, content: u8.slice(output, u32[(state + 16) >>> 2]!) }
  }
  const zeros = new Uint8Array(redZone + 64)
  const ones = new Uint8Array(redZone + 64).fill(255)
  // Frames with long literals too, one of them with codes short enough to be decoded in pairs.
  const targets = [...frames, own(6000, 12), own(3000, 90)]
  let rejected = 0
  for (let round = 0; round < 100_000; round++) {
    const { frame, bytes } = targets[round % targets.length]!
    const mutant = Buffer.from(frame.subarray(0, random(8) === 0 ? random(frame.length) + 1 : frame.length))
    for (let change = random(4); change >= 0; change--) {
      const at = random(8) < 3 ? Math.min(4 + random(24), mutant.length - 1) : random(mutant.length)
      mutant[at] = random(3) === 0 ? (mutant[at] ?? 0) ^ (1 << random(8)) : random(256)
    }
    // What lies around the buffers must not matter: it may be read, never used.
    const a = run(mutant, bytes, 0)
    const b = run(mutant, bytes, 255)
    if (a.result !== b.result || Buffer.compare(a.content, b.content) !== 0) throw new Error('The surroundings matter')
    if (a.result < 0) rejected++
  }
  expect(rejected).toBeGreaterThan(50_000)
})
