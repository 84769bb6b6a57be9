/**
 * Keys as canonical words: how they are loaded from a batch or a row, hashed and compared.
 *
 * A float key is kept as its bits with one NaN and no -0, so equality of keys is equality of words. A null key has zero
 * words and flag 0. A string has its view's two words; long ones are compared byte by byte.
 */
import { type DataType, physicalOf } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { elementAddress, loadWords, storeWords, wordTypes } from '../expr/load-value.ts'
import { type ColumnLocals, validFlag } from '../rows/batch-code.ts'
import { isLong, viewLength } from '../rows/string-code.ts'
import { type Code, call, f32, f64, i32, i64, ifValue, local, select } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import type { KeyPlan } from './group-by-plan.ts'

const { get, set } = local

/** A key held in locals. */
export interface KeyLocals {
  readonly key: KeyPlan
  readonly words: readonly number[]
  /** Local of the null flag; undefined for a key that is never null. */
  readonly valid: number | undefined
}

/** The type whose words a key is kept in: bits instead of floats. */
export function wordsOf(type: DataType): DataType {
  if (type.kind === 'float32') return { kind: 'int32' }
  return type.kind === 'float64' ? { kind: 'int64' } : type
}

/** Types of the locals of a key's words. */
export const keyWordTypes = (type: DataType) => wordTypes(wordsOf(type))

export function openKeys(body: FunctionBuilder, keys: readonly KeyPlan[]): KeyLocals[] {
  return keys.map((key) => ({
    key,
    words: keyWordTypes(key.type).map((type) => body.local(type)),
    valid: key.nullable ? body.local('i32') : undefined,
  }))
}

/** Scratch locals of float keys. */
export interface FloatScratch {
  readonly f32: number
  readonly f64: number
}

/**
 * Statements: loads the keys of a row of a batch.
 * @param general columns may have nulls; otherwise every key counts as valid
 */
export function loadKeys(
  keys: readonly KeyLocals[],
  columns: readonly ColumnLocals[],
  row: Code,
  general: boolean,
  scratch: FloatScratch,
): Code {
  return keys.map(({ key, words, valid }, index) => {
    const columnLocals = columns[index]
    if (columnLocals === undefined) return []
    const loaded = canonicalWords(key.type, elementAddress(key.type, get(columnLocals.values), row), scratch)
    if (valid === undefined) return words.map((word, part) => set(word, loaded[part] ?? []))
    if (!general) return [words.map((word, part) => set(word, loaded[part] ?? [])), set(valid, i32.const(1))]
    const types = keyWordTypes(key.type)
    return [
      set(valid, validFlag(columnLocals, row)),
      words.map((word, part) => {
        const zero = types[part] === 'i64' ? i64.const(0n) : i32.const(0)
        return set(word, select(loaded[part] ?? [], zero, get(valid)))
      }),
    ]
  })
}

/**
 * Statements: loads keys from their dictionaries.
 * @param codes locals: the code of each key
 * @param general the locals of null flags are set, and a null key has code 0; otherwise every key counts as valid
 */
export function loadCodedKeys(
  keys: readonly KeyLocals[],
  dictionaries: readonly number[],
  codes: readonly number[],
  general: boolean,
  scratch: FloatScratch,
): Code {
  return keys.map(({ key, words, valid }, index) => {
    const address = elementAddress(key.type, get(dictionaries[index] ?? 0), get(codes[index] ?? 0))
    const loaded = canonicalWords(key.type, address, scratch)
    const types = keyWordTypes(key.type)
    const isValid = general ? valid : undefined
    return [
      valid === undefined || general ? [] : set(valid, i32.const(1)),
      words.map((word, part) => {
        const value = loaded[part] ?? []
        if (isValid === undefined) return set(word, value)
        return set(word, select(value, types[part] === 'i64' ? i64.const(0n) : i32.const(0), get(isValid)))
      }),
    ]
  })
}

/** Code of a key's canonical words, from a value as it lies in a column. */
export function canonicalWords(type: DataType, address: Code, scratch: FloatScratch): readonly Code[] {
  const physical = physicalOf(type)
  if (physical !== 'f32' && physical !== 'f64') return loadWords(type, address)
  // x + 0 turns -0 into 0 and keeps all else.
  if (physical === 'f32') {
    const value = get(scratch.f32)
    const bits = i32.reinterpretF32(f32.add(value, f32.const(0)))
    const word = select(bits, i32.const(0x7fc00000), f32.eq(value, value))
    return [[set(scratch.f32, f32.load(address)), word]]
  }
  const value = get(scratch.f64)
  const bits = i64.reinterpretF64(f64.add(value, f64.const(0)))
  const word = select(bits, i64.const(0x7ff8000000000000n), f64.eq(value, value))
  return [[set(scratch.f64, f64.load(address)), word]]
}

/** Statements: loads the keys of a row of the store. */
export function loadRowKeys(keys: readonly KeyLocals[], row: number): Code {
  return keys.map(({ key, words, valid }) => {
    const loaded = loadWords(wordsOf(key.type), get(row), key.field.offset)
    const statements = words.map((word, part) => set(word, loaded[part] ?? []))
    if (valid === undefined) return statements
    return [...statements, set(valid, i32.load8U(get(row), key.field.nullOffset ?? 0))]
  })
}

const FIRST_FACTOR = 0x9e3779b97f4a7c15n
const LAST_FACTOR = 0xd6e8feb86659fd93n
/**
 * A join divides rows by other bits of the hash than a group-by: groups of one partition of a join would else all fall
 * into one partition of the group-by above it, and into its small part of the directory.
 */
const LAST_JOIN_FACTOR = 0xa0761d6478bd642fn
/** What a null key's word is replaced with for hashing, so that null and 0 differ. */
const NULL_WORD = 0x5bd1e9955bd1e995n

/**
 * Statements: hash of the keys into local `hash` (i64).
 * @param hashBytes the kernel; undefined: no string among the keys is long
 */
export function hashKeys(
  keys: readonly KeyLocals[],
  hash: number,
  hashBytes: number | undefined,
  mask: bigint | undefined,
  purpose: HashPurpose = 'groupBy',
): Code {
  const steps: Code[] = [set(hash, i64.const(0n))]
  // Two 32-bit words are mixed in one step.
  let half: Code | undefined
  for (const { key, words, valid } of keys) {
    const short = keyWordTypes(key.type)[0] === 'i32'
    const codes = hashedWords(key, words, valid, hashBytes)
    for (const code of codes) {
      if (!short) steps.push(mixStep(hash, code))
      else if (half === undefined) half = code
      else {
        steps.push(mixStep(hash, i64.or(half, i64.shl(code, i64.const(32n)))))
        half = undefined
      }
    }
  }
  if (half !== undefined) steps.push(mixStep(hash, half))
  return [steps, finishHash(hash, mask, purpose)]
}

export type HashPurpose = 'groupBy' | 'join'

/** Statements: the last step of a hash. */
export function finishHash(hash: number, mask: bigint | undefined, purpose: HashPurpose): Code {
  return [
    set(hash, i64.mul(get(hash), i64.const(purpose === 'join' ? LAST_JOIN_FACTOR : LAST_FACTOR))),
    set(hash, i64.xor(get(hash), i64.shrU(get(hash), i64.const(29n)))),
    mask === undefined ? [] : set(hash, i64.and(get(hash), i64.const(mask))),
  ]
}

/** Each word as i64; a short word is zero-extended so that two of them can be packed. */
export function hashedWords(
  key: { readonly type: DataType },
  words: readonly number[],
  valid: number | undefined,
  hashBytes: number | undefined,
): Code[] {
  const short = keyWordTypes(key.type)[0] === 'i32'
  const codes = words.map((word): Code => (short ? i64.extendI32U(get(word)) : get(word)))
  const [first, second] = words
  if (hashBytes !== undefined && physicalOf(key.type) === 'view' && first !== undefined && second !== undefined) {
    const long = call(hashBytes, i32.wrapI64(get(second)), viewLength(get(first)))
    codes[1] = ifValue('i64', isLong(get(first)), long, get(second))
  }
  if (valid !== undefined) {
    const nullWord = i64.const(short ? NULL_WORD & 0xffffffffn : NULL_WORD)
    codes[0] = i64.xor(codes[0] ?? [], select(i64.const(0n), nullWord, get(valid)))
  }
  return codes
}

/** Each step is a bijection of the hash for a given word: nothing is lost on the way. */
export function mixStep(hash: number, word: Code): Code {
  return [
    set(hash, i64.mul(i64.xor(get(hash), word), i64.const(FIRST_FACTOR))),
    set(hash, i64.xor(get(hash), i64.shrU(get(hash), i64.const(32n)))),
  ]
}

/** 1 if the row at `row` has these words and flags: the same keys, unless there are long strings among them. */
export function wordsEqual(keys: readonly KeyLocals[], row: number): Code {
  return allOf(keys.flatMap((key) => [...equalWords(key, row), ...equalFlag(key, row)]))
}

/** 1 if the row at `row`, whose keys are known not to be null, has these words. */
export function valuesEqual(keys: readonly KeyLocals[], row: number): Code {
  return allOf(keys.flatMap((key) => equalWords(key, row)))
}

/** The only key if it is an integer or kept as one: its low bits tell a row's place in a direct map. */
export function requireDirectKey(keys: readonly KeyLocals[]): Code {
  const [first] = keys
  const word = first?.words[0]
  assert(first !== undefined && word !== undefined, 'a direct map has one key')
  return keyWordTypes(first.key.type)[0] === 'i64' ? i32.wrapI64(get(word)) : get(word)
}

/** Whether rows can be found by the low bits of the key: one key, an integer, a date or a time. */
export function hasDirectKey(keys: readonly KeyPlan[]): boolean {
  const [first] = keys
  if (keys.length !== 1 || first === undefined) return false
  return ['i8', 'i16', 'i32', 'i64'].includes(physicalOf(first.type))
}

function equalWords({ key, words }: KeyLocals, row: number): Code[] {
  const stored = loadWords(wordsOf(key.type), get(row), key.field.offset)
  const types = keyWordTypes(key.type)
  return words.map((word, part) => {
    const other = stored[part] ?? []
    return types[part] === 'i64' ? i64.eq(get(word), other) : i32.eq(get(word), other)
  })
}

const equalFlag = ({ key, valid }: KeyLocals, row: number): Code[] =>
  valid === undefined ? [] : [i32.eq(get(valid), i32.load8U(get(row), key.field.nullOffset ?? 0))]

const allOf = (conditions: readonly Code[]): Code =>
  conditions.length === 0 ? i32.const(1) : conditions.reduce((a, b) => i32.and(a, b))

/** 1 if the row at `row` has these keys. */
export function keysEqual(keys: readonly KeyLocals[], row: number, longBytesEqual: number): Code {
  const cheap: Code[] = []
  const long: Code[] = []
  for (const keyLocals of keys) {
    const { key, words } = keyLocals
    const equal = equalWords(keyLocals, row)
    const [first, second] = words
    if (physicalOf(key.type) === 'view' && first !== undefined && second !== undefined) {
      const address = i32.load(get(row), key.field.offset + 8)
      const bytes = call(longBytesEqual, address, i32.wrapI64(get(second)), viewLength(get(first)))
      long.push(ifValue('i32', equal[1] ?? [], i32.const(1), bytes))
      equal[1] = i32.or(equal[1] ?? [], isLong(get(first)))
    }
    cheap.push(...equal, ...equalFlag(keyLocals, row))
  }
  return long.reduce((condition: Code, check) => ifValue('i32', condition, check, i32.const(0)), allOf(cheap))
}

/** Statement: stores the words of a key that is not a string. */
export function storeKeyWords(key: KeyPlan, row: number, words: readonly number[]): Code {
  return storeWords(wordsOf(key.type), get(row), words.map(get), key.field.offset)
}
