/** Kernels that encode Parquet pages against plain twins, lengths 0 … 130 and red zones behind the results. */
import { describe, expect, it } from 'vitest'
import { boundKind, plainForm } from './parquet-encode-kernels.ts'
import { createTestArena } from './test-arena.ts'

const arena = createTestArena(64)
const { kernels, u8, u32, dataView: view } = arena
const base = kernels.pageAlloc(1, 60) >>> 0
const [source, validity, selection, target, scratch, state] = [0, 4, 5, 6, 12, 20].map(
  (page) => base + page * 65536,
) as [number, number, number, number, number, number]
const text = state + 1024

let seed = 1
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

/** As `toEqual`, which is slow for bytes. */
function expectBytes(found: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(found, expected) !== 0) expect(found).toEqual(expected)
}

interface Rows {
  readonly count: number
  readonly validity: number
  readonly selection: number
  /** Rows that are selected and valid, in order. */
  readonly kept: readonly number[]
  /** Selected rows. */
  readonly selected: readonly number[]
}

/** `count` selected rows: all of them, or every second or third; with nulls or without. */
function makeRows(count: number, hasNulls: boolean, isSelected: boolean): Rows {
  let row = 0
  const selected = Array.from({ length: count }, (_, k) => (isSelected ? (row += 1 + random(3)) : k))
  for (const [k, each] of selected.entries()) view.setUint32(selection + k * 4, each, true)
  for (let each = 0; each <= 600; each++) u8[validity + each] = random(3) === 0 ? 0 : 1
  const kept = selected.filter((each) => !hasNulls || u8[validity + each] === 1)
  return { count, validity: hasNulls ? validity : 0, selection: isSelected ? selection : 0, kept, selected }
}

const shapes = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const

function forAllRows(check: (rows: Rows) => void): void {
  for (let count = 0; count <= 130; count++)
    for (const [hasNulls, selects] of shapes) check(makeRows(count, hasNulls, selects))
}

describe('plainFixed', () => {
  const forms = [
    { form: plainForm.i8, from: 1, to: 4, read: (at: number) => BigInt(view.getInt8(at)) },
    { form: plainForm.u8, from: 1, to: 4, read: (at: number) => BigInt(view.getUint8(at)) },
    { form: plainForm.i16, from: 2, to: 4, read: (at: number) => BigInt(view.getInt16(at, true)) },
    { form: plainForm.u16, from: 2, to: 4, read: (at: number) => BigInt(view.getUint16(at, true)) },
    { form: plainForm.four, from: 4, to: 4, read: (at: number) => BigInt(view.getInt32(at, true)) },
    { form: plainForm.eight, from: 8, to: 8, read: (at: number) => view.getBigInt64(at, true) },
    { form: plainForm.i128AsInt32, from: 16, to: 4, read: (at: number) => BigInt(view.getInt32(at, true)) },
    { form: plainForm.i128AsInt64, from: 16, to: 8, read: (at: number) => view.getBigInt64(at, true) },
    { form: plainForm.byte, from: 1, to: 1, read: (at: number) => BigInt(view.getInt8(at)) },
  ]
  it.each(forms)('form $form', ({ form, from, to, read }) => {
    for (let at = 0; at < 16_000; at++) u8[source + at] = random(256)
    forAllRows((rows) => {
      u8.fill(0xa5, target, target + 4000)
      const found = kernels.plainFixed(source, rows.validity, rows.selection, rows.count, form, to, target)
      expect(found).toBe(rows.kept.length)
      rows.kept.forEach((row, k) => {
        const value = BigInt.asIntN(to * 8, read(source + row * from))
        const stored =
          to === 8
            ? view.getBigInt64(target + k * 8, true)
            : to === 4
              ? BigInt(view.getInt32(target + k * 4, true))
              : BigInt(view.getInt8(target + k))
        if (stored !== value) expect(stored).toBe(value)
      })
      expect(u8[target + rows.count * to + 64]).toBe(0xa5)
    })
  })

  it.each([9, 12, 15, 16])('decimals of %i bytes', (width) => {
    for (let at = 0; at < 16_000; at++) u8[source + at] = random(256)
    forAllRows((rows) => {
      const found = kernels.plainFixed(
        source,
        rows.validity,
        rows.selection,
        rows.count,
        plainForm.i128AsBytes,
        width,
        target,
      )
      expect(found).toBe(rows.kept.length)
      rows.kept.forEach((row, k) => {
        const bytes = u8.slice(source + row * 16, source + row * 16 + width).reverse()
        expectBytes(u8.slice(target + k * width, target + (k + 1) * width), bytes)
      })
    })
  })
})

/** Writes views of texts; long ones lie at `text`. */
function writeViews(texts: readonly string[]): void {
  let cursor = text
  texts.forEach((each, row) => {
    const bytes = new TextEncoder().encode(each)
    const at = source + row * 16
    u8.fill(0, at, at + 16)
    view.setUint32(at, bytes.length, true)
    u8.set(bytes.subarray(0, bytes.length > 12 ? 4 : 12), at + 4)
    if (bytes.length <= 12) return
    view.setUint32(at + 8, cursor, true)
    u8.set(bytes, cursor)
    cursor += bytes.length
  })
}

const someTexts = (): string[] =>
  Array.from({ length: 600 }, (_, row) => `${row % 7}`.repeat(random(40) === 0 ? 400 : random(30)))

function plainText(texts: readonly string[]): Uint8Array {
  return Uint8Array.from(
    texts.flatMap((each) => {
      const bytes = new TextEncoder().encode(each)
      return [...new Uint8Array(Uint32Array.of(bytes.length).buffer), ...bytes]
    }),
  )
}

it('plainViews writes lengths and bytes, and stops before a value that does not fit', () => {
  const texts = someTexts()
  writeViews(texts)
  forAllRows((rows) => {
    const whole = plainText(rows.kept.map((row) => texts[row] ?? ''))
    for (const room of [whole.length, Math.floor(whole.length / 2), 0]) {
      u8.fill(0xa5, target, target + whole.length + 100)
      u32.set([target, target + room, 0], state >>> 2)
      const taken = kernels.plainViews(source, rows.validity, rows.selection, rows.count, state)
      const kept = rows.kept.filter((row) => rows.selected.indexOf(row) < taken)
      const expected = plainText(kept.map((row) => texts[row] ?? ''))
      expect(u32[state >>> 2]).toBe(target + expected.length)
      expect(u32[(state >>> 2) + 2]).toBe(kept.length)
      expectBytes(u8.slice(target, target + expected.length), expected)
      expect(u8[target + room + 64]).toBe(0xa5)
      if (taken < rows.count) {
        const next = texts[rows.selected[taken] ?? 0] ?? ''
        expect(expected.length + 4 + next.length).toBeGreaterThan(room)
      }
    }
  })
})

/** Slots, values, views, indices of a dictionary at `scratch`. */
function openDictionary(entries: number, bytes: number, isText: boolean): void {
  const slots = 2 ** Math.ceil(Math.log2(entries * 2))
  u8.fill(0, scratch, scratch + slots * 4)
  const values = scratch + 65536
  u32.set(
    [scratch, slots - 1, 0, entries, values, values, values + bytes, isText ? scratch + 131_072 : 0, 0, 0],
    state >>> 2,
  )
}
const indices = scratch + 65536 * 4
const readIndices = (count: number): number[] =>
  Array.from({ length: count }, (_, k) => view.getUint16(indices + k * 2, true))

describe('dictionaries', () => {
  it.each([4, 8, 9, 16])('of values of %i bytes', (width) => {
    for (let count = 0; count <= 130; count++) {
      const values = Array.from({ length: count }, () =>
        Uint8Array.from({ length: width }, () => 0).fill(random(20), width - 1),
      )
      for (const [k, value] of values.entries()) u8.set(value, source + k * width)
      for (const entries of [4, 100]) {
        openDictionary(entries, entries * width, false)
        const known: string[] = []
        const expected: number[] = []
        for (const value of values) {
          if (!known.includes(value.join())) {
            if (known.length === entries) break
            known.push(value.join())
          }
          expected.push(known.indexOf(value.join()))
        }
        expect(kernels.dictionaryFixed(source, count, width, state, indices)).toBe(expected.length)
        expect(readIndices(expected.length)).toEqual(expected)
        expect(u32[(state >>> 2) + 2]).toBe(known.length)
        const end = kernels.dictionaryExpand(state, indices, expected.length, width, target) >>> 0
        expect(end).toBe(target + expected.length * width)
        expectBytes(u8.slice(target, end), u8.slice(source, source + expected.length * width))
      }
    }
  })

  it('of strings, inline and long, equal and nearly equal', () => {
    const texts = someTexts().map((each, row) =>
      row % 5 === 0 ? `a long text with the same beginning ${row % 3}` : each,
    )
    writeViews(texts)
    forAllRows((rows) => {
      for (const [entries, bytes] of [
        [200, 50_000],
        [5, 50_000],
        [200, 60],
      ] as const) {
        openDictionary(entries, bytes, true)
        const taken = kernels.dictionaryViews(source, rows.validity, rows.selection, rows.count, state, indices)
        const kept = rows.kept.filter((row) => rows.selected.indexOf(row) < taken).map((row) => texts[row] ?? '')
        const known = [...new Set(kept)]
        expect(readIndices(kept.length)).toEqual(kept.map((each) => known.indexOf(each)))
        const stored = plainText(known)
        expectBytes(u8.slice(scratch + 65536, scratch + 65536 + stored.length), stored)
        expect([u32[(state >>> 2) + 2], u32[(state >>> 2) + 8]]).toEqual([known.length, kept.length])
        expect(u32[(state >>> 2) + 9]).toBe(plainText(kept).length)
        const end = kernels.dictionaryExpand(state, indices, kept.length, 0, target) >>> 0
        expectBytes(u8.slice(target, end), plainText(kept))
        if (taken === rows.count) continue
        const next = texts[rows.selected[taken] ?? 0] ?? ''
        expect(known.includes(next)).toBe(false)
        expect(known.length === entries || stored.length + 4 + next.length > bytes).toBe(true)
      }
    })
  })
})

/** Decodes runs and packed groups. */
function decodeRuns(at: number, bytes: number, bits: number, count: number): number[] {
  const values: number[] = []
  const end = at + bytes
  while (at < end) {
    let header = 0
    for (let shift = 0; ; shift += 7) {
      const byte = u8[at++] ?? 0
      header |= (byte & 127) << shift
      if (byte < 128) break
    }
    if ((header & 1) === 0) {
      let value = 0
      for (let byte = 0; byte < Math.ceil(bits / 8); byte++) value |= (u8[at++] ?? 0) << (8 * byte)
      for (let k = 0; k < header >> 1; k++) values.push(value)
    } else {
      for (let k = 0; k < (header >> 1) * 8; k++) {
        let value = 0
        for (let bit = 0; bit < bits; bit++) {
          const place = k * bits + bit
          value |= (((u8[at + (place >> 3)] ?? 0) >> (place & 7)) & 1) << bit
        }
        values.push(value)
      }
      at += (header >> 1) * bits
    }
  }
  expect(at).toBe(end)
  expect(values.slice(count).every((value) => value === 0)).toBe(true)
  expect(values.length - count).toBeLessThan(8)
  return values.slice(0, count)
}

describe('runs and packed groups', () => {
  const lengths = [...Array.from({ length: 131 }, (_, k) => k), 500, 504, 505, 1500, 20_000]
  /** Values that come alone, in short runs or in long ones. */
  const mixed = (count: number, below: number, runMax: number): number[] => {
    const values: number[] = []
    while (values.length < count) values.push(...new Array(1 + random(runMax)).fill(random(below)))
    return values.slice(0, count)
  }
  it.each(Array.from({ length: 16 }, (_, k) => k + 1))('indices of %i bits', (bits) => {
    for (const count of lengths) {
      for (const runMax of [1, 12, 300]) {
        const values = mixed(count, 2 ** bits, runMax)
        for (const [k, value] of values.entries()) view.setUint16(source + k * 2, value, true)
        u8.fill(0xa5, target, target + count * 2 + 400)
        const bytes = kernels.encodeIndices(source, count, bits, target)
        expect(decodeRuns(target, bytes, bits, count)).toEqual(values)
        expect(bytes).toBeLessThanOrEqual(Math.ceil((count * bits) / 8) + Math.ceil(count / 504) + 32)
        expect(u8[target + bytes + 16]).toBe(0xa5)
      }
    }
  })
  it('levels', () => {
    for (const count of lengths) {
      for (const runMax of [1, 12, 300]) {
        const values = mixed(count, 2, runMax)
        u8.set(values, source)
        u8.set([1, 1, 1, 1, 1, 1, 1, 1], source + count)
        const bytes = kernels.encodeLevels(source, count, target)
        expect(decodeRuns(target, bytes, 1, count)).toEqual(values)
        expect(bytes).toBeLessThanOrEqual(Math.ceil(count / 8) + Math.ceil(count / 504) + 32)
      }
    }
  })
})

describe('plainBounds', () => {
  const kinds = [
    { kind: boundKind.int32, width: 4, read: (at: number) => view.getInt32(at, true) },
    { kind: boundKind.uint32, width: 4, read: (at: number) => view.getUint32(at, true) },
    { kind: boundKind.int64, width: 8, read: (at: number) => view.getBigInt64(at, true) },
    { kind: boundKind.uint64, width: 8, read: (at: number) => view.getBigUint64(at, true) },
    { kind: boundKind.float32, width: 4, read: (at: number) => view.getFloat32(at, true) },
    { kind: boundKind.float64, width: 8, read: (at: number) => view.getFloat64(at, true) },
    { kind: boundKind.byte, width: 1, read: (at: number) => view.getUint8(at) },
    ...[9, 13, 16].map((width) => ({
      kind: boundKind.wide,
      width,
      read: (at: number) =>
        BigInt.asIntN(width * 8, BigInt(`0x${Buffer.from(u8.slice(at, at + width)).toString('hex')}`)),
    })),
  ]
  it.each(kinds)('kind $kind of $width bytes', ({ kind, width, read }) => {
    for (let count = 1; count <= 130; count++) {
      for (let at = 0; at < count * width; at++) u8[source + at] = random(256)
      if (kind === boundKind.float64) view.setFloat64(source + random(count) * 8, Number.NaN, true)
      // The range starts at some value of the values, so that no other value is in it.
      const values = Array.from({ length: count }, (_, k) => read(source + k * width)).filter(
        (value) => !Number.isNaN(value as number),
      )
      const some = Array.from({ length: count }, (_, k) => k).find((k) => read(source + k * width) === values[0])
      if (some === undefined) continue
      u8.copyWithin(state, source + some * width, source + (some + 1) * width)
      u8.copyWithin(state + 16, source + some * width, source + (some + 1) * width)
      kernels.plainBounds(source, count, kind, width, state)
      const sorted = values.toSorted((a, b) => (a < b ? -1 : 1))
      expect([read(state), read(state + 16)]).toEqual([sorted[0], sorted.at(-1)])
    }
  })
})
