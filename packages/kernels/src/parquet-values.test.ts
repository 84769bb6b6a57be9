/** Kernels that turn Parquet's stored values and strings into the arena's, against plain loops. */
import { describe, expect, it } from 'vitest'
import { sharedStringsState, stringsState } from './parquet-decode-kernels.ts'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(40)
const { kernels, u8, u32, dataView } = arena
const page = kernels.pageAlloc(1, 16) >>> 0
const [source, target, state, scratch, extra] = [page + 64, page + 262144, page + 524288, page + 532480, page + 589824]

let seed = 7
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}
const place = (bytes: ArrayLike<number>, address = source): void => {
  u8.fill(0xee, address, address + bytes.length + 64)
  u8.set(bytes, address)
}
const bytesAt = (address: number, count: number): number[] => [...u8.slice(address, address + count)]
const setWord = (address: number, value: number): void => {
  u32[address >>> 2] = value
}
const randomBytes = (count: number): number[] => Array.from({ length: count }, () => random(256))
const int128At = (address: number): bigint =>
  (dataView.getBigInt64(address + 8, true) << 64n) | dataView.getBigUint64(address, true)

describe('plain numbers', () => {
  it('become narrower and wider', () => {
    for (let count = 0; count <= 130; count++) {
      place(randomBytes(count * 8))
      kernels.plainNarrow8(source, count, target)
      expect(bytesAt(target, count)).toEqual(Array.from({ length: count }, (_, i) => u8[source + i * 4]))
      kernels.plainNarrow16(source, count, target)
      const halves = Array.from({ length: count }, (_, i) => [u8[source + i * 4], u8[source + i * 4 + 1]]).flat()
      expect(bytesAt(target, count * 2)).toEqual(halves)
      kernels.plainWiden32(source, count, target)
      for (let i = 0; i < count; i++) {
        expect(int128At(target + i * 16)).toBe(BigInt(dataView.getInt32(source + i * 4, true)))
      }
      kernels.plainWiden64(source, count, target)
      for (let i = 0; i < count; i++) expect(int128At(target + i * 16)).toBe(dataView.getBigInt64(source + i * 8, true))
    }
  })

  it('of 96 bits become microseconds, floored, unless they lie too far from 1970', () => {
    // The last ones are the first and last microsecond of the years 1 to 9999.
    const cases = [0n, 1n, -1n, 999n, 1000n, -1000n, 1_700_000_000_123_456_789n, -62_135_596_800_000_000_000n]
    cases.push(253_402_300_799_999_999_999n)
    for (const [index, nanos] of cases.entries()) {
      const day = nanos / 86_400_000_000_000n - (nanos < 0n ? 1n : 0n)
      dataView.setBigInt64(source + index * 12, nanos - day * 86_400_000_000_000n, true)
      dataView.setInt32(source + index * 12 + 8, Number(day + 2_440_588n), true)
    }
    expect(kernels.plainInt96(source, cases.length, target)).toBe(1)
    const floored = cases.map((nanos) => nanos / 1000n - (nanos % 1000n < 0n ? 1n : 0n))
    expect(cases.map((_, index) => dataView.getBigInt64(target + index * 8, true))).toEqual(floored)
    for (const day of [2 ** 31 - 1, -(2 ** 31)]) {
      dataView.setInt32(source + 8, day, true)
      expect(kernels.plainInt96(source, cases.length, target)).toBe(0)
    }
  })

  it('of any number of big-endian bytes become 128 bits, unless they exceed those', () => {
    for (let length = 0; length <= 20; length++) {
      for (let round = 0; round < 40; round++) {
        const bytes = randomBytes(length)
        if (round % 2 === 0) bytes.fill((bytes[0] ?? 0) > 127 ? 255 : 0, 0, random(length + 1))
        const value = length === 0 ? 0n : BigInt.asIntN(length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
        place(bytes)
        const fits = BigInt.asIntN(128, value) === value
        expect(kernels.plainFixedDecimals(source, length, 1, target)).toBe(fits ? 1 : 0)
        if (fits) expect(int128At(target)).toBe(value)
        u8.fill(0, target, target + 16)
        setWord(target, length)
        if (length <= 12) u8.set(bytes, target + 4)
        else setWord(target + 8, source)
        expect(kernels.viewsToDecimals(target, 1)).toBe(fits ? 1 : 0)
        if (fits) expect(int128At(target)).toBe(value)
      }
    }
  })

  it('are joined from split bytes', () => {
    for (const width of [1, 3, 4, 8, 12, 16]) {
      for (let count = 0; count <= 130; count++) {
        const stride = count + random(20)
        place(randomBytes(stride * width))
        u8.fill(0xee, target, target + count * width + 64)
        kernels.joinStreams(source, stride, width, count, target, scratch)
        const expected = Array.from({ length: count * width }, (_, at) => {
          const [value, byte] = [Math.floor(at / width), at % width]
          return u8[source + byte * stride + value]
        })
        expect(bytesAt(target, count * width)).toEqual(expected)
        expect(u8[target + count * width]).toBe(0xee)
      }
    }
  })
})

/** Strings of all lengths around what fits into a view, some not ASCII. */
function strings(count: number): Uint8Array[] {
  const alphabet = ['a', 'Z', ' ', 'ß', 'Ж', '語', '🌍', 'q', 'r', 's']
  return Array.from({ length: count }, () => {
    const letters = random(3) === 0 ? alphabet : alphabet.slice(7)
    return new TextEncoder().encode(Array.from({ length: random(30) }, () => letters[random(letters.length)]).join(''))
  })
}

const viewText = (view: number): string => {
  const length = u32[view >>> 2] as number
  const from = length <= 12 ? view + 4 : (u32[(view + 8) >>> 2] as number)
  if (length <= 12) expect(bytesAt(from + length, 12 - length).every((byte) => byte === 0)).toBe(true)
  else {
    expect(bytesAt(view + 4, 4)).toEqual(bytesAt(from, 4))
    expect(u32[(view + 12) >>> 2]).toBe(0)
  }
  return new TextDecoder().decode(u8.slice(from, from + length))
}
const viewTexts = (count: number): string[] => Array.from({ length: count }, (_, i) => viewText(target + i * 16))
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('strings', () => {
  it('become views as far as they are there, with and without their lengths beside them', () => {
    for (let count = 0; count <= 130; count++) {
      const values = strings(count)
      const plain = values.flatMap((bytes) => [bytes.length, 0, 0, 0, ...bytes])
      place(plain)
      const there = random(plain.length + 1)
      let complete = 0
      for (let at = 0; complete < count && at + 4 + (values[complete]?.length ?? 0) <= there; complete++) {
        at += 4 + (values[complete]?.length ?? 0)
      }
      for (const [end, expected] of [
        [plain.length, count],
        [there, complete],
      ] as const) {
        for (const kernel of [
          () => kernels.plainStrings(state, count, target),
          () => kernels.plainStringsSkip(state, count),
        ]) {
          setWord(state + stringsState.cursor, source)
          setWord(state + stringsState.end, source + end)
          setWord(state + stringsState.hasHighBytes, 0)
          expect(kernel()).toBe(expected)
          const passed = values.slice(0, expected).reduce((sum, bytes) => sum + 4 + bytes.length, 0)
          expect(u32[state >>> 2]).toBe(source + passed)
        }
        expect(viewTexts(expected)).toEqual(values.slice(0, expected).map(decode))
      }
      const adjacent = values.flatMap((bytes) => [...bytes])
      place(adjacent)
      for (const [index, bytes] of values.entries()) setWord(extra + index * 4, bytes.length)
      setWord(state + stringsState.cursor, source)
      setWord(state + stringsState.end, source + adjacent.length)
      setWord(state + stringsState.hasHighBytes, 0)
      expect(kernels.adjacentStrings(state, extra, count, target)).toBe(count)
      expect(viewTexts(count)).toEqual(values.map(decode))
      const isHigh = values.some((bytes) => bytes.some((byte) => byte > 127))
      if (isHigh) expect(u32[(state + stringsState.hasHighBytes) >>> 2]).toBe(1)
      expect(kernels.viewsAreUtf8(target, count)).toBe(1)
    }
  })

  it('of one length become views as far as they are there', () => {
    for (let length = 0; length <= 20; length++) {
      for (let count = 0; count <= 130; count += 1 + random(9)) {
        const bytes = Uint8Array.from(randomBytes(length * count), (byte) => byte & 127)
        place(bytes)
        const there = random(bytes.length + 1)
        for (const end of [bytes.length, there]) {
          const complete = length === 0 ? count : Math.floor(end / length)
          const reset = (): void => {
            setWord(state + stringsState.cursor, source)
            setWord(state + stringsState.end, source + end)
            setWord(state + stringsState.hasHighBytes, 0)
          }
          reset()
          expect(kernels.fixedStringsSkip(state, length, count)).toBe(complete)
          expect(u32[state >>> 2]).toBe(source + complete * length)
          reset()
          expect(kernels.fixedStrings(state, length, count, target)).toBe(complete)
          expect(u32[state >>> 2]).toBe(source + complete * length)
          const expected = Array.from({ length: complete }, (_, i) => decode(bytes.slice(i * length, (i + 1) * length)))
          expect(viewTexts(complete)).toEqual(expected)
        }
      }
    }
  })

  it('that share their beginnings are put together', () => {
    for (let count = 0; count <= 130; count++) {
      const values = strings(count).sort((a, b) => Buffer.compare(a, b))
      let before: Uint8Array = new Uint8Array(0)
      const rests: number[] = []
      for (const [index, bytes] of values.entries()) {
        let shared = 0
        while (shared < bytes.length && bytes[shared] === before[shared]) shared++
        setWord(extra + index * 4, shared)
        setWord(extra + 2048 + index * 4, bytes.length - shared)
        rests.push(...bytes.slice(shared))
        before = bytes
      }
      place(rests)
      u8.fill(0, state, state + 32)
      setWord(state + sharedStringsState.cursor, source)
      setWord(state + sharedStringsState.end, source + rests.length)
      setWord(state + sharedStringsState.heap, scratch)
      setWord(state + sharedStringsState.heapEnd, scratch + 32768)
      const bytes = values.reduce((sum, value) => sum + value.length, 0)
      const [shared, rest] = [extra, extra + 2048]
      expect(kernels.sharedStringsFit(shared, rest, count, bytes, rests.length)).toBe(count)
      if (bytes > 0) expect(kernels.sharedStringsFit(shared, rest, count, bytes - 1, rests.length)).toBeLessThan(count)
      if (rests.length > 0) {
        expect(kernels.sharedStringsFit(shared, rest, count, bytes, rests.length - 1)).toBeLessThan(count)
      }
      expect(kernels.sharedStrings(state, shared, rest, count, target)).toBe(1)
      expect(viewTexts(count)).toEqual(values.map(decode))
      setWord(extra, 1)
      u8.fill(0, state + sharedStringsState.before, state + sharedStringsState.before + 8)
      if (count > 0) expect(kernels.sharedStrings(state, shared, rest, count, target)).toBe(0)
    }
  })

  it('are UTF-8 where a strict decoder says so', () => {
    const strict = new TextDecoder('utf-8', { fatal: true })
    const isValid = (bytes: Uint8Array): number => {
      try {
        strict.decode(bytes)
        return 1
      } catch {
        return 0
      }
    }
    const edges = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5]
    let invalid = 0
    for (let round = 0; round < 30_000; round++) {
      const length = random(7)
      const bytes = Uint8Array.from({ length }, () => edges[random(edges.length)] as number)
      const text = round % 3 === 0 ? Buffer.concat([strings(1)[0] as Uint8Array, bytes, Buffer.from('end')]) : bytes
      place(text)
      const expected = isValid(text)
      invalid += 1 - expected
      expect(kernels.isUtf8(source, text.length), Buffer.from(text).toString('hex')).toBe(expected)
    }
    expect(invalid).toBeGreaterThan(1000)
  })
})
