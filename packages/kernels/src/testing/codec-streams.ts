/**
 * Streams of raw Snappy and LZ4 for tests: builders that emit every form of element together with the bytes it stands
 * for, and decoders that do the obvious thing byte by byte.
 */

/** A linear congruential generator: below(n) is an integer from 0 to n - 1. */
export interface Random {
  below(limit: number): number
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return {
    below(limit) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 4294967296) * limit)
    },
  }
}

export interface BuiltStream {
  readonly stream: Uint8Array
  readonly bytes: Uint8Array
}

/** Collects a stream and, beside it, its result. */
abstract class StreamBuilder {
  protected readonly stream: number[] = []
  readonly bytes: number[] = []

  protected pushLiteral(bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) {
      this.stream.push(bytes[i]!)
      this.bytes.push(bytes[i]!)
    }
  }

  protected repeat(distance: number, length: number): void {
    for (let i = 0; i < length; i++) this.bytes.push(this.bytes[this.bytes.length - distance]!)
  }
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
  bytes.push(value)
  return bytes
}

const littleEndian = (value: number, byteCount: number): number[] =>
  Array.from({ length: byteCount }, (_, i) => Math.floor(value / 256 ** i) & 255)

export class SnappyBuilder extends StreamBuilder {
  /** @param operandBytes 0 (length ≤ 60) … 4 */
  literal(bytes: ArrayLike<number>, operandBytes = bytes.length <= 60 ? 0 : 4): this {
    const less = bytes.length - 1
    this.stream.push(operandBytes === 0 ? less << 2 : (59 + operandBytes) << 2, ...littleEndian(less, operandBytes))
    this.pushLiteral(bytes)
    return this
  }

  /** @param form operand bytes: 1 (length 4 … 11, distance < 2048), 2 (1 … 64, < 65536) or 4 */
  copy(form: 1 | 2 | 4, distance: number, length: number): this {
    if (form === 1) this.stream.push(1 | ((length - 4) << 2) | ((distance >> 8) << 5), distance & 255)
    else this.stream.push((form === 2 ? 2 : 3) | ((length - 1) << 2), ...littleEndian(distance, form))
    this.repeat(distance, length)
    return this
  }

  /** @param declared what the header says, if it lies */
  finish(declared = this.bytes.length): BuiltStream {
    return { stream: Uint8Array.from([...varint(declared), ...this.stream]), bytes: Uint8Array.from(this.bytes) }
  }
}

export class Lz4Builder extends StreamBuilder {
  /** @param distance 0 = the last sequence, which has no copy */
  sequence(literal: ArrayLike<number>, distance: number, length: number): this {
    const more = (rest: number) => [...new Array<number>(Math.floor(rest / 255)).fill(255), rest % 255]
    const nibble = distance === 0 ? 0 : Math.min(length - 4, 15)
    this.stream.push((Math.min(literal.length, 15) << 4) | nibble)
    if (literal.length >= 15) this.stream.push(...more(literal.length - 15))
    this.pushLiteral(literal)
    if (distance === 0) return this
    this.stream.push(...littleEndian(distance, 2))
    if (nibble === 15) this.stream.push(...more(length - 19))
    this.repeat(distance, length)
    return this
  }

  finish(): BuiltStream {
    return { stream: Uint8Array.from(this.stream), bytes: Uint8Array.from(this.bytes) }
  }
}

/** Bytes of few values, so that compressors find something. */
export function randomBytes(random: Random, length: number, values = 256): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(values))
}

/** A stream of elements of all forms whose result has exactly `total` bytes. Distances up to maxDistance. */
export function randomSnappy(random: Random, total: number, maxDistance = 65535, maxLiteral = 100): BuiltStream {
  const builder = new SnappyBuilder()
  while (builder.bytes.length < total) {
    const left = total - builder.bytes.length
    const form = ([0, 1, 2, 4] as const)[random.below(4)]!
    const distance = 1 + random.below(Math.min(maxDistance, builder.bytes.length, random.below(2) ? 40 : 1 << 20))
    if (form === 0 || builder.bytes.length === 0 || (form === 1 && (left < 4 || distance > 2047))) {
      const length = Math.min(left, 1 + random.below(random.below(3) ? 20 : maxLiteral))
      const bytes = randomBytes(random, length)
      // Any operand that is wide enough is allowed.
      const least = length <= 60 && random.below(4) ? 0 : length <= 256 ? 1 : length <= 65536 ? 2 : 3
      builder.literal(bytes, least === 0 ? 0 : least + random.below(5 - least))
    } else if (form === 1) builder.copy(1, distance, Math.min(left, 4 + random.below(8)))
    else builder.copy(form, distance, Math.min(left, 1 + random.below(64)))
  }
  return builder.finish()
}

/** A block whose result has exactly `total` bytes. Distances up to maxDistance. */
export function randomLz4(random: Random, total: number, maxDistance = 65535, maxLiteral = 100): BuiltStream {
  const builder = new Lz4Builder()
  for (;;) {
    const left = total - builder.bytes.length
    const length = Math.min(left, random.below(random.below(3) ? 18 : maxLiteral))
    const reach = builder.bytes.length + length
    // The last sequence is literals only; all is left to it when no copy fits.
    if (left - length < 4 || reach === 0) return builder.sequence(randomBytes(random, left), 0, 0).finish()
    const distance = 1 + random.below(Math.min(maxDistance, reach, random.below(2) ? 40 : 1 << 20))
    const copied = Math.min(left - length, 4 + random.below(random.below(4) ? 20 : 700))
    builder.sequence(randomBytes(random, length), distance, copied)
  }
}

/** The result, or undefined if the stream is not exactly one of `total` bytes. */
export function naiveSnappy(stream: Uint8Array, total: number): Uint8Array | undefined {
  const bytes = new Uint8Array(total)
  let [at, filled, declared, shift] = [0, 0, 0, 0]
  for (;;) {
    if (at === stream.length || shift > 28) return undefined
    const byte = stream[at++]!
    declared += (byte & 127) * 2 ** shift
    shift += 7
    if (byte < 128) break
  }
  if (declared !== total) return undefined
  const operand = (byteCount: number) => {
    let value = 0
    for (let i = 0; i < byteCount; i++) value += stream[at++]! * 256 ** i
    return value
  }
  while (at < stream.length) {
    const tag = stream[at++]!
    const kind = tag & 3
    const operandBytes = kind === 0 ? Math.max(0, (tag >> 2) - 59) : ([0, 1, 2, 4] as const)[kind]!
    if (at + operandBytes > stream.length) return undefined
    if (kind === 0) {
      const length = operandBytes === 0 ? (tag >> 2) + 1 : operand(operandBytes) + 1
      if (length > total - filled || length > stream.length - at) return undefined
      bytes.set(stream.subarray(at, at + length), filled)
      at += length
      filled += length
      continue
    }
    const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const distance = operand(operandBytes) + (kind === 1 ? (tag >> 5) << 8 : 0)
    if (distance === 0 || distance > filled || length > total - filled) return undefined
    for (let i = 0; i < length; i++, filled++) bytes[filled] = bytes[filled - distance]!
  }
  return filled === total ? bytes : undefined
}

/** The result, or undefined if the block is not exactly one of `total` bytes. */
export function naiveLz4(stream: Uint8Array, total: number): Uint8Array | undefined {
  const bytes = new Uint8Array(total)
  let [at, filled] = [0, 0]
  const more = (nibble: number) => {
    let length = nibble
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) {
      if (at === stream.length) return Number.NaN
      byte = stream[at++]!
    }
    return length
  }
  while (at < stream.length) {
    const token = stream[at++]!
    const literal = more(token >> 4)
    if (!(literal <= total - filled && literal <= stream.length - at)) return undefined
    bytes.set(stream.subarray(at, at + literal), filled)
    at += literal
    filled += literal
    if (at === stream.length) return filled === total ? bytes : undefined
    if (at + 2 > stream.length) return undefined
    const distance = stream[at]! + stream[at + 1]! * 256
    at += 2
    const length = more(token & 15) + 4
    if (distance === 0 || distance > filled || !(length <= total - filled)) return undefined
    for (let i = 0; i < length; i++, filled++) bytes[filled] = bytes[filled - distance]!
  }
  return undefined
}
