/**
 * Code that makes the normalised key of a row: numbers whose unsigned order is the order of the columns, put together
 * to words. The layout is described in sort-layout.ts.
 */
import { type DataType, isSignedInteger, physicalOf } from '@spillway/columnar'
import { assert, unreachable } from '@spillway/stdx'
import { isLong, viewLength } from '../rows/string-code.ts'
import { type Code, f32, f64, i32, i64, ifValue, local, select } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import { type KeyPlace, LONG_STRING } from './sort-layout.ts'

const { get, set } = local

const SIGN_64 = 1n << 63n
const ALL_ONES = (1n << 64n) - 1n

/** A value as it stands in locals: its words, and the local of its flag (1 = valid) unless it is never null. */
export interface ValueLocals {
  readonly words: readonly number[]
  readonly valid: number | undefined
}

/** Some bytes of the key: an i64 of which the low `bytes` bytes count, the others are zero. */
export interface Part {
  readonly at: number
  readonly bytes: number
  readonly value: Code
}

/** Stand for the places of null bytes and lengths where those are not known when code is made. */
export const NULL_AT = -1
export const LENGTH_AT = -2

/** Locals in which keys are put together, once per function. */
export interface KeyScratch {
  readonly words: readonly number[]
  readonly part: number
  readonly wide: number
  readonly f64: number
  readonly f32: number
}

export function openKeyScratch(body: FunctionBuilder, keyWords: number): KeyScratch {
  const words = Array.from({ length: keyWords }, () => body.local('i64'))
  return { words, part: body.local('i64'), wide: body.local('i64'), f64: body.local('f64'), f32: body.local('f32') }
}

/** Statements: computes the key's words. */
export function makeKey(
  scratch: KeyScratch,
  places: readonly KeyPlace[],
  localsOf: (column: number) => ValueLocals,
): Code {
  const statements: Code[] = scratch.words.map((word) => set(word, i64.const(0n)))
  for (const place of places) {
    statements.push(placeKey(scratch, place, localsOf(place.column), (part) => addPart(scratch, part)))
  }
  return statements
}

/** Statements: stores the words from `row` on. */
export function storeKey(scratch: KeyScratch, row: number): Code {
  return scratch.words.map((word, index) => i64.store(get(row), get(word), index * 8))
}

/**
 * 1 if the key is below the bound whose words stand at `bound`, `tie` if all words are equal. Where a long string would
 * decide it is 1, since a bound has no strings.
 */
export function isKeyBelow(scratch: KeyScratch, places: readonly KeyPlace[], bound: number, tie: Code): Code {
  const markers = new Map(
    places.flatMap(({ lengthAt, descending }) =>
      lengthAt === undefined ? [] : [[(lengthAt + 1) / 8 - 1, descending ? 255 - LONG_STRING : LONG_STRING]],
    ),
  )
  return scratch.words.reduceRight<Code>((rest, word, index) => {
    const other = i64.load(get(bound), index * 8)
    const marker = markers.get(index)
    const isLongText = i64.eq(i64.and(get(word), i64.const(0xffn)), i64.const(BigInt(marker ?? 0)))
    const onTie = marker === undefined ? rest : ifValue('i32', isLongText, i32.const(1), rest)
    return ifValue('i32', i64.ne(get(word), other), i64.ltU(get(word), other), onTie)
  }, tie)
}

/** Statements: adds the parts of a key column. @param add makes the statement for one of them */
export function placeKey(scratch: KeyScratch, place: KeyPlace, value: ValueLocals, add: (part: Part) => Code): Code {
  const statements: Code[] = []
  const { nullAt, nullsLast, descending } = place
  const valid = value.valid
  if (nullAt !== undefined) {
    assert(valid !== undefined, 'a nullable column has a flag')
    const flag = nullsLast ? i32.eqz(get(valid)) : get(valid)
    statements.push(add({ at: nullAt, bytes: 1, value: i64.extendI32U(flag) }))
  }
  for (const { at, bytes, value: code } of partsOf(scratch, place, value, statements)) {
    const ones = bytes === 8 ? ALL_ONES : (1n << BigInt(bytes * 8)) - 1n
    const directed = descending ? i64.xor(code, i64.const(ones)) : code
    const known = nullAt === undefined || valid === undefined ? directed : select(directed, i64.const(0n), get(valid))
    statements.push(add({ at, bytes, value: known }))
  }
  return statements
}

/** Statement: puts the bytes of a part into the one or two words they belong to. */
function addPart(scratch: KeyScratch, { at, bytes, value }: Part): Code {
  const first = Math.floor(at / 8)
  const end = (at % 8) + bytes
  const word = scratch.words[first]
  assert(word !== undefined, 'a part lies within the key')
  const shifted = (code: Code, bits: number): Code => (bits === 0 ? code : i64.shl(code, i64.const(BigInt(bits))))
  if (end <= 8) return set(word, i64.or(get(word), shifted(value, (8 - end) * 8)))
  const next = scratch.words[first + 1]
  assert(next !== undefined, 'a part lies within the key')
  const over = (end - 8) * 8
  return [
    set(scratch.part, value),
    set(word, i64.or(get(word), i64.shrU(get(scratch.part), i64.const(BigInt(over))))),
    set(next, i64.or(get(next), shifted(get(scratch.part), 64 - over))),
  ]
}

/** The parts of an ascending value. What they need computed first is added to `before`. */
function partsOf(scratch: KeyScratch, place: KeyPlace, { words, valid }: ValueLocals, before: Code[]): Part[] {
  const { type, valueAt: at, valueBytes: bytes } = place
  const [first = 0, second = 0] = words
  switch (physicalOf(type)) {
    case 'i8':
    case 'i16':
    case 'i32':
      return bytes === 0 ? [] : [{ at, bytes, value: integerPart(type, first, bytes) }]
    case 'i64': {
      const isUnsigned = type.kind === 'uint64'
      return [{ at, bytes, value: isUnsigned ? get(first) : i64.xor(get(first), i64.const(SIGN_64)) }]
    }
    case 'f32':
      before.push(set(scratch.f32, f32.add(get(first), f32.const(0))))
      return [{ at, bytes, value: i64.extendI32U(float32Bits(scratch.f32)) }]
    case 'f64':
      before.push(set(scratch.f64, f64.add(get(first), f64.const(0))))
      before.push(set(scratch.wide, i64.reinterpretF64(get(scratch.f64))))
      return [{ at, bytes, value: float64Bits(scratch.f64, scratch.wide) }]
    case 'i128':
      if (bytes === 8) return [{ at, bytes, value: i64.xor(get(first), i64.const(SIGN_64)) }]
      return [
        { at, bytes: 8, value: i64.xor(get(second), i64.const(SIGN_64)) },
        { at: at + 8, bytes: 8, value: get(first) },
      ]
    case 'view':
      return stringParts(scratch, place, first, second, valid, before)
    default:
      return unreachable(physicalOf(type) as never)
  }
}

/** Integers of up to 32 bits, dates and booleans: the sign bit turned over, in the low bytes. */
function integerPart(type: DataType, word: number, bytes: number): Code {
  const isSigned = isSignedInteger(type) || type.kind === 'date'
  const biased = isSigned ? i32.xor(get(word), i32.const(2 ** (bytes * 8 - 1))) : get(word)
  const ones = bytes === 4 ? -1 : 2 ** (bytes * 8) - 1
  return i64.extendI32U(i32.and(biased, i32.const(ones)))
}

/** Adding 0 has made -0 to 0. Negative numbers are turned over, positive ones get the sign bit, NaN is all ones. */
function float64Bits(value: number, bits: number): Code {
  const turned = i64.xor(get(bits), i64.or(i64.shrS(get(bits), i64.const(63n)), i64.const(SIGN_64)))
  return select(turned, i64.const(ALL_ONES), f64.eq(get(value), get(value)))
}

function float32Bits(value: number): Code {
  const bits = i32.reinterpretF32(get(value))
  const turned = i32.xor(bits, i32.or(i32.shrS(bits, i32.const(31)), i32.const(2 ** 31)))
  return select(turned, i32.const(-1), f32.eq(get(value), get(value)))
}

/** The first twelve bytes, then the length; a null string has length 0. */
function stringParts(
  scratch: KeyScratch,
  place: KeyPlace,
  first: number,
  second: number,
  valid: number | undefined,
  before: Code[],
): Part[] {
  const { valueAt, lengthAt } = place
  assert(lengthAt !== undefined, 'a string has a length in the key')
  const long = isLong(get(first))
  const isHeap = valid === undefined ? long : i32.and(long, get(valid))
  // Bytes 4 … 11: in the view, or behind its pointer.
  before.push(set(scratch.wide, ifValue('i64', isHeap, i64.load(i32.wrapI64(get(second)), 4), get(second))))
  const head = i64.or(i64.shrU(get(first), i64.const(32n)), i64.shl(get(scratch.wide), i64.const(32n)))
  before.push(set(scratch.part, head))
  const swapped = byteSwap(scratch.part, before)
  const tail = byteSwap32(i32.wrapI64(i64.shrU(get(scratch.wide), i64.const(32n))))
  const length = viewLength(get(first))
  const shown = select(length, i32.const(LONG_STRING), i32.ltU(length, i32.const(LONG_STRING)))
  return [
    { at: valueAt, bytes: 8, value: swapped },
    { at: valueAt + 8, bytes: 4, value: i64.extendI32U(tail) },
    { at: lengthAt, bytes: 1, value: i64.extendI32U(shown) },
  ]
}

/** The bytes of a local in reverse; statements that prepare it go to `before`. */
function byteSwap(value: number, before: Code[]): Code {
  const swapStep = (mask: bigint, bits: bigint): Code =>
    i64.or(
      i64.shl(i64.and(get(value), i64.const(mask)), i64.const(bits)),
      i64.and(i64.shrU(get(value), i64.const(bits)), i64.const(mask)),
    )
  before.push(set(value, swapStep(0x00ff00ff00ff00ffn, 8n)))
  before.push(set(value, swapStep(0x0000ffff0000ffffn, 16n)))
  return i64.rotl(get(value), i64.const(32n))
}

/** The bytes of a pure expression in reverse. */
function byteSwap32(value: Code): Code {
  const even = i32.and(value, i32.const(0x00ff00ff))
  const odd = i32.and(value, i32.const(0xff00ff00))
  return i32.or(i32.rotl(even, i32.const(24)), i32.rotl(odd, i32.const(8)))
}
