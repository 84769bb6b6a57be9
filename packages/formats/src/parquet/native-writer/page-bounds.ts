/**
 * Bounds of pages and chunks as the format stores them.
 *
 * Numbers: in the type's own order; NaN is left out, a least zero is written as -0 and a greatest as +0, as the format
 * asks. Text: cut to 64 bytes; the greatest is then raised to the next text of that length, and both say that they are
 * not values.
 */
import { boundKind } from '@spillway/kernels'
import { assert } from '@spillway/stdx'

export interface Bounds {
  readonly min: Uint8Array
  readonly max: Uint8Array
  readonly isMinExact: boolean
  readonly isMaxExact: boolean
}

/** Longest text of a bound, bytes. */
export const TEXT_BOUND_BYTES = 64
/** Of a range in the arena: least and greatest, 16 bytes each. */
export const RANGE_BYTES = 32

/** What the range holds before a page. */
export function emptyRange(kind: number, width: number): Uint8Array {
  const range = new Uint8Array(RANGE_BYTES)
  const view = new DataView(range.buffer)
  switch (kind) {
    case boundKind.int32:
      view.setInt32(0, 0x7fffffff, true)
      view.setInt32(16, -0x80000000, true)
      return range
    case boundKind.uint32:
      view.setUint32(0, 0xffffffff, true)
      return range
    case boundKind.int64:
      view.setBigInt64(0, 2n ** 63n - 1n, true)
      view.setBigInt64(16, -(2n ** 63n), true)
      return range
    case boundKind.uint64:
      view.setBigUint64(0, 2n ** 64n - 1n, true)
      return range
    case boundKind.float32:
      view.setFloat32(0, Infinity, true)
      view.setFloat32(16, -Infinity, true)
      return range
    case boundKind.float64:
      view.setFloat64(0, Infinity, true)
      view.setFloat64(16, -Infinity, true)
      return range
    case boundKind.wide:
      range.fill(0xff, 0, width)
      range[0] = 0x7f
      range[16] = 0x80
      return range
    default:
      assert(kind === boundKind.byte, 'the kind of a bound is known')
      range[0] = 1
      return range
  }
}

/** The value of a bound, for comparing. */
export function boundValue(kind: number, bytes: Uint8Array): bigint | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (kind) {
    case boundKind.int32:
      return view.getInt32(0, true)
    case boundKind.uint32:
      return view.getUint32(0, true)
    case boundKind.int64:
      return view.getBigInt64(0, true)
    case boundKind.uint64:
      return view.getBigUint64(0, true)
    case boundKind.float32:
      return view.getFloat32(0, true)
    case boundKind.float64:
      return view.getFloat64(0, true)
    case boundKind.wide: {
      let value = 0n
      for (const byte of bytes) value = (value << 8n) | BigInt(byte)
      return BigInt.asIntN(bytes.length * 8, value)
    }
    default:
      return view.getUint8(0)
  }
}

/** Bounds of a page from its range; undefined when it held nothing but NaN. */
export function rangeBounds(kind: number, width: number, range: Uint8Array): Bounds | undefined {
  const min = range.slice(0, width)
  const max = range.slice(16, 16 + width)
  if (kind === boundKind.float32 || kind === boundKind.float64) {
    const least = boundValue(kind, min)
    const greatest = boundValue(kind, max)
    if (least > greatest) return undefined
    if (least === 0) min.fill(0).set([0x80], width - 1)
    if (greatest === 0) max.fill(0)
  }
  return { min, max, isMinExact: true, isMaxExact: true }
}

/** Least and greatest text of a page so far, cut to 64 bytes. */
export class TextRange {
  #min: Uint8Array | undefined
  #max: Uint8Array | undefined
  #isMinCut = false
  #isMaxCut = false

  /** @param cut the text's first bytes, at most 64; isCut: it has more of them */
  addLeast(cut: Uint8Array, isCut: boolean): void {
    const order = this.#min === undefined ? -1 : Buffer.compare(cut, this.#min)
    if (order > 0) return
    // Cut the same way, the shorter text is the lesser one.
    this.#isMinCut = order === 0 ? this.#isMinCut && isCut : isCut
    this.#min = cut
  }

  addGreatest(cut: Uint8Array, isCut: boolean): void {
    const order = this.#max === undefined ? 1 : Buffer.compare(cut, this.#max)
    if (order < 0) return
    this.#isMaxCut = order === 0 ? this.#isMaxCut || isCut : isCut
    this.#max = cut
  }

  /** Undefined when nothing was added, or when no text of 64 bytes is greater than the greatest. */
  bounds(): Bounds | undefined {
    if (this.#min === undefined || this.#max === undefined) return undefined
    const max = this.#isMaxCut ? nextText(wholeCharacters(this.#max)) : this.#max
    if (max === undefined) return undefined
    const min = this.#isMinCut ? wholeCharacters(this.#min) : this.#min
    return { min, max, isMinExact: !this.#isMinCut, isMaxExact: !this.#isMaxCut }
  }

  clear(): void {
    this.#min = undefined
    this.#max = undefined
  }
}

/** Without the beginning of a character at the end. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let start = bytes.length - 1
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1
  const lead = bytes[start] ?? 0
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  return start + length > bytes.length ? bytes.subarray(0, start) : bytes
}

/** The least text that is greater than all that begin with this one; undefined when there is none, or it is no text. */
function nextText(bytes: Uint8Array): Uint8Array | undefined {
  let characters: string[]
  try {
    characters = [...new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)]
  } catch {
    return undefined
  }
  for (let last = characters.pop(); last !== undefined; last = characters.pop()) {
    const code = last.codePointAt(0) ?? 0
    if (code === 0x10ffff) continue
    // Surrogates are not characters.
    const next = code === 0xd7ff ? 0xe000 : code + 1
    return new TextEncoder().encode(characters.join('') + String.fromCodePoint(next))
  }
  return undefined
}

/** How bounds of a column compare: negative, zero, positive. */
export function compareBytes(kind: number | undefined, a: Uint8Array, b: Uint8Array): number {
  if (kind === undefined) return Buffer.compare(a, b)
  const left = boundValue(kind, a)
  const right = boundValue(kind, b)
  return left < right ? -1 : left > right ? 1 : 0
}

/** Bounds of a chunk from those of its pages. */
export function mergeBounds(kind: number | undefined, pages: readonly Bounds[]): Bounds | undefined {
  const [first, ...rest] = pages
  if (first === undefined) return undefined
  let merged = first
  for (const page of rest) {
    const least = compareBytes(kind, page.min, merged.min)
    const greatest = compareBytes(kind, page.max, merged.max)
    merged = {
      min: least < 0 ? page.min : merged.min,
      max: greatest > 0 ? page.max : merged.max,
      isMinExact: least < 0 ? page.isMinExact : merged.isMinExact || (least === 0 && page.isMinExact),
      isMaxExact: greatest > 0 ? page.isMaxExact : merged.isMaxExact || (greatest === 0 && page.isMaxExact),
    }
  }
  return merged
}
