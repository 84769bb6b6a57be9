/** Kernels for columns of Arrow IPC files against naive twins, for all lengths 0 … 130, and with damaged input. */
import { beforeEach, expect, test } from 'vitest'
import { VIEW_BUFFER_BYTES, viewBuffer } from './ipc-kernels.ts'
import { createTestArena, type TestArena } from './test-arena.ts'

const LENGTHS = Array.from({ length: 131 }, (_, length) => length)
const PAGE = 65536

let arena: TestArena
/** Four buffers of one page each; what lies behind a result must stay as it was. */
let a: number
let b: number
let c: number
let d: number
let seed = 1
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return (seed >>> 8) % limit
}

beforeEach(() => {
  arena ??= createTestArena(16)
  a ||= arena.kernels.pageAlloc(1, 1)
  b ||= arena.kernels.pageAlloc(1, 1)
  c ||= arena.kernels.pageAlloc(1, 1)
  d ||= arena.kernels.pageAlloc(1, 1)
  seed = 1
  arena.u8.fill(0xa5, a, d + PAGE)
})

function writeOffsets(offsets: readonly number[], offsetBytes: 4 | 8): void {
  offsets.forEach((offset, index) => {
    if (offsetBytes === 4) arena.dataView.setInt32(a + index * 4, offset, true)
    else arena.dataView.setBigInt64(a + index * 8, BigInt(offset), true)
  })
}

test('offsetsAscend: ascending, descending at any place, beyond the limit, negative', () => {
  const { offsetsAscend } = arena.kernels
  for (const length of LENGTHS) {
    for (const offsetBytes of [4, 8] as const) {
      let at = random(5)
      const offsets = Array.from({ length: length + 1 }, () => {
        at += random(4)
        return at
      })
      writeOffsets(offsets, offsetBytes)
      const last = offsets.at(-1) as number
      expect(offsetsAscend(a, offsetBytes, length, last)).toBe(1)
      expect(offsetsAscend(a, offsetBytes, length, last + 2 ** 40)).toBe(1)
      if (last > 0) expect(offsetsAscend(a, offsetBytes, length, last - 1)).toBe(0)
      const place = random(length + 1)
      for (const wrong of [-1, -(2 ** 31), 2 ** 31 - 1]) {
        writeOffsets(offsets.with(place, wrong), offsetBytes)
        expect(offsetsAscend(a, offsetBytes, length, last)).toBe(0)
      }
      if (place === 0 || (offsets[place - 1] as number) === 0) continue
      writeOffsets(offsets.with(place, (offsets[place - 1] as number) - 1), offsetBytes)
      expect(offsetsAscend(a, offsetBytes, length, last)).toBe(0)
    }
  }
})

interface TestView {
  readonly text: Uint8Array
  readonly isValid: boolean
  readonly buffer: number
  readonly offset: number
}

/** Random views over three buffers in page c, 20,000 bytes each; views are written to page a, validity to page b. */
const BUFFER_BYTES = 20_000
function makeViews(length: number, hasNulls: boolean): TestView[] {
  for (let index = 0; index < 3 * BUFFER_BYTES; index++) arena.u8[c + index] = random(256)
  return Array.from({ length }, (_, row): TestView => {
    const isValid = !hasNulls || random(3) > 0
    arena.u8[b + row] = isValid ? 1 : 0
    const size = random(2) === 0 ? random(13) : 13 + random(60)
    const buffer = random(3)
    const offset = random(BUFFER_BYTES - size)
    const from = c + buffer * BUFFER_BYTES + offset
    const text = arena.u8.slice(from, from + size)
    const at = a + row * 16
    arena.u8.fill(0, at, at + 16)
    arena.dataView.setInt32(at, size, true)
    arena.u8.set(text.subarray(0, size <= 12 ? 12 : 4), at + 4)
    if (size > 12) {
      arena.dataView.setInt32(at + 8, buffer, true)
      arena.dataView.setInt32(at + 12, offset, true)
    }
    // A view that means nothing may say anything.
    if (!isValid && random(2) === 0) arena.u8.fill(0xff, at, at + 16)
    return { text, isValid, buffer, offset }
  })
}

test('viewRanges and viewsFromArrow', () => {
  const table = d
  const target = d + 1024
  const word = (index: number, field: number): number =>
    arena.dataView.getUint32(table + index * VIEW_BUFFER_BYTES + field, true)
  for (const length of LENGTHS) {
    for (const hasNulls of [false, true]) {
      const views = makeViews(length, hasNulls)
      for (let index = 0; index < 3; index++) {
        arena.dataView.setUint32(table + index * VIEW_BUFFER_BYTES + viewBuffer.size, BUFFER_BYTES, true)
        const address = c + index * BUFFER_BYTES
        arena.dataView.setUint32(table + index * VIEW_BUFFER_BYTES + viewBuffer.address, address, true)
      }
      const validity = hasNulls ? b : 0
      expect(arena.kernels.viewRanges(a, validity, length, table, 3)).toBe(1)
      for (let index = 0; index < 3; index++) {
        const used = views.filter(({ text, isValid, buffer }) => isValid && text.length > 12 && buffer === index)
        const least = Math.min(0xffffffff, ...used.map(({ offset }) => offset))
        const end = Math.max(0, ...used.map(({ offset, text }) => offset + text.length))
        expect([word(index, viewBuffer.least), word(index, viewBuffer.end)]).toEqual([least, end])
      }
      arena.kernels.viewsFromArrow(a, validity, length, table, target)
      views.forEach(({ text, isValid, buffer, offset }, row) => {
        const expected = new Uint8Array(16)
        if (isValid) {
          new DataView(expected.buffer).setUint32(0, text.length, true)
          expected.set(text.subarray(0, text.length <= 12 ? 12 : 4), 4)
          const address = c + buffer * BUFFER_BYTES + offset
          if (text.length > 12) new DataView(expected.buffer).setUint32(8, address, true)
        }
        expect([...arena.u8.slice(target + row * 16, target + row * 16 + 16)]).toEqual([...expected])
      })
      const long = views.findIndex(({ text, isValid }) => isValid && text.length > 12)
      if (long < 0) continue
      for (const [field, wrong] of [
        [8, 3],
        [8, -1],
        [12, BUFFER_BYTES - 3],
        [12, -1],
        [0, -1],
      ] as const) {
        const kept = arena.dataView.getInt32(a + long * 16 + field, true)
        arena.dataView.setInt32(a + long * 16 + field, wrong, true)
        expect(arena.kernels.viewRanges(a, validity, length, table, 3)).toBe(0)
        arena.dataView.setInt32(a + long * 16 + field, kept, true)
      }
    }
  }
})

test('clearNullViews', () => {
  for (const length of LENGTHS) {
    const views = makeViews(length, true)
    const before = arena.u8.slice(a, a + length * 16 + 16)
    arena.kernels.clearNullViews(a, b, length)
    views.forEach(({ isValid }, row) => {
      const expected = isValid ? before.subarray(row * 16, row * 16 + 16) : new Uint8Array(16)
      expect([...arena.u8.slice(a + row * 16, a + row * 16 + 16)]).toEqual([...expected])
    })
    expect([...arena.u8.slice(a + length * 16, a + length * 16 + 16)]).toEqual([...before.subarray(length * 16)])
  }
})

interface FrameOptions {
  readonly contentSize: boolean
  readonly blockChecksums: boolean
  readonly blockBytes: number
}

/** A frame of `bytes`: blocks compressed by our own kernel, or stored where that is shorter. */
function makeFrame(bytes: Uint8Array, { contentSize, blockChecksums, blockBytes }: FrameOptions): Uint8Array {
  const flags = 0x40 | (contentSize ? 8 : 0) | (blockChecksums ? 16 : 0)
  const parts: Uint8Array[] = [Uint8Array.of(0x04, 0x22, 0x4d, 0x18, flags, 0x40)]
  if (contentSize) parts.push(new Uint8Array(new BigUint64Array([BigInt(bytes.length)]).buffer))
  parts.push(Uint8Array.of(0))
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes)
    arena.u8.set(block, c)
    const packed = arena.kernels.lz4RawCompress(c, block.length, b, d)
    const isStored = packed >= block.length
    const size = isStored ? (block.length | 0x80000000) >>> 0 : packed
    parts.push(new Uint8Array(new Uint32Array([size]).buffer), isStored ? block : arena.u8.slice(b, b + packed))
    if (blockChecksums) parts.push(new Uint8Array(4))
  }
  parts.push(new Uint8Array(4))
  return new Uint8Array(Buffer.concat(parts))
}

/** Decodes at the end of page b, and checks that nothing behind the result was written. */
function decodeFrame(frame: Uint8Array, bytes: number): Uint8Array | undefined {
  arena.u8.fill(0xa5, b, b + PAGE)
  arena.u8.set(frame, a)
  const isWhole = arena.kernels.lz4FrameDecode(a, frame.length, b, bytes)
  expect(arena.u8.subarray(b + bytes, b + PAGE).every((byte) => byte === 0xa5)).toBe(true)
  return isWhole === 1 ? arena.u8.slice(b, b + bytes) : undefined
}

const repetitive = (length: number): Uint8Array => {
  const period = 1 + random(20)
  return Uint8Array.from({ length }, (_, index) => (random(40) === 0 ? random(256) : index % period))
}

test('lz4FrameDecode: blocks, stored blocks, checksums, sizes', () => {
  for (const length of [...LENGTHS, 1000, 5000, 20_000]) {
    for (const contentSize of [false, true]) {
      for (const blockChecksums of [false, true]) {
        const bytes = length > 200 ? repetitive(length) : Uint8Array.from({ length }, () => random(3))
        const frame = makeFrame(bytes, { contentSize, blockChecksums, blockBytes: 4096 })
        const decoded = decodeFrame(frame, length)
        expect(Buffer.compare(Buffer.from(decoded ?? [1, 2, 3]), Buffer.from(bytes))).toBe(0)
        expect(decodeFrame(frame, length + 1)).toBeUndefined()
        if (length > 0) expect(decodeFrame(frame, length - 1)).toBeUndefined()
        for (let end = 0; end < frame.length; end += Math.ceil(frame.length / 20)) {
          expect(decodeFrame(frame.subarray(0, end), length)).toBeUndefined()
        }
      }
    }
  }
})

test('lz4FrameDecode: matches at every distance, back into the block before', () => {
  // A block of literals, then one of a match that reaches back by `distance`, and five literals.
  for (let distance = 1; distance <= 40; distance++) {
    for (const length of [4, 5, 15, 18, 19, 40]) {
      const literals = Uint8Array.from({ length: 40 }, () => random(256))
      const rest = length - 4
      const match = [Math.min(rest, 15), distance, 0, ...(rest < 15 ? [] : [rest - 15]), 0x50, 1, 2, 3, 4, 5]
      const frame = Uint8Array.from([
        ...[0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0],
        ...[40, 0, 0, 0x80, ...literals],
        ...[match.length, 0, 0, 0, ...match],
        ...[0, 0, 0, 0],
      ])
      const expected = [...literals]
      for (let index = 0; index < length; index++) expected.push(expected.at(-distance) as number)
      expected.push(1, 2, 3, 4, 5)
      expect([...(decodeFrame(frame, expected.length) ?? [])]).toEqual(expected)
    }
  }
})

test('lz4FrameDecode: damaged frames end, and write nothing behind the result', () => {
  let damaged = 0
  for (let round = 0; round < 3000; round++) {
    const bytes = repetitive(200 + random(2000))
    const frame = makeFrame(bytes, { contentSize: false, blockChecksums: false, blockBytes: 512 })
    for (let count = 0; count <= random(4); count++) frame[random(frame.length)] = random(256)
    if (decodeFrame(frame, bytes.length) === undefined) damaged += 1
  }
  expect(damaged).toBeGreaterThan(500)
})
