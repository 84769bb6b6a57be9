/**
 * Rows of so many fields that code per field would be too much: the functions that write, compare, hash and read them
 * are loops over runs of columns (see column-loop.ts). A row lies in memory as any other, only that it may be longer
 * than a page; keys are compared where they lie instead of being held in locals.
 */
import { column, type DataType, physicalOf, typeName } from '@spillway/columnar'
import { elementAddress, loadWords, storeWords, wordTypes, zeroWords } from '../expr/load-value.ts'
import type { KeyPlan } from '../group-by/group-by-plan.ts'
import {
  canonicalWords,
  finishHash,
  hashedWords,
  hashKeys,
  type HashPurpose,
  keyWordTypes,
  loadKeys,
  mixStep,
  openKeys,
  wordsOf,
} from '../group-by/key-code.ts'
import { type Code, call, i32, i64, ifElse, ifValue, local, ret, select } from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import { columnEntry, openColumn } from './batch-code.ts'
import { addColumnLoop } from './column-loop.ts'
import type { RowField } from './row-layout.ts'
import { isLong, longLength, type StoreFunctions, viewLength } from './string-code.ts'

const { get, set } = local

/** Rows of more fields, and more keys, are treated by loops. */
export const NARROW_FIELDS_MAX = 256

/** A field of a row, and the column of a batch that it is made of. */
export interface SourceField {
  readonly column: number
  readonly field: RowField
  /** Floats are kept as canonical bits. */
  readonly isKey: boolean
  /** What it holds while it is null. */
  readonly nullWords: readonly Code[]
}

/** A key's field; a null key is all zeroes. */
export const keySource = ({ column: index, field }: KeyPlan): SourceField => ({
  column: index,
  field,
  isKey: true,
  nullWords: zeroWords(wordsOf(field.type)),
})

const isView = ({ type }: RowField): boolean => physicalOf(type) === 'view'
/** The flag's place; that of a field which is never null is not used. */
const flagPlace = ({ nullOffset }: RowField): number => nullOffset ?? 0
const classOfField = ({ type, nullOffset }: RowField): string =>
  `${typeName(type)}${nullOffset === undefined ? '' : '?'}`
const classOfSource = ({ field, isKey, nullWords }: SourceField): string =>
  `${classOfField(field)} ${isKey} ${field.nullOffset === undefined ? '' : JSON.stringify(nullWords)}`
const placesOfSource = ({ column: index, field }: SourceField): readonly number[] => [
  columnEntry(index),
  field.offset,
  flagPlace(field),
]

/** The value of a column in a row of a batch, in locals. */
interface LoadedValue {
  /** Type of the words: bits instead of floats for a key. */
  readonly type: DataType
  readonly words: readonly number[]
  /** 1 = valid; undefined: never null. */
  readonly valid: number | undefined
  /** Statement that sets the locals. */
  readonly load: Code
}

/** @param at locals: batch, row, and the place of the column's entry in a descriptor */
function loadValue(body: FunctionBuilder, source: SourceField, batch: number, row: number, place: number): LoadedValue {
  const { field, isKey, nullWords } = source
  const type = isKey ? wordsOf(field.type) : field.type
  const words = wordTypes(type).map((word) => body.local(word))
  const entry = body.local('i32')
  const address = elementAddress(field.type, i32.load(get(entry), column.values), get(row))
  const scratch = { f32: body.local('f32'), f64: body.local('f64') }
  const loaded = isKey ? canonicalWords(field.type, address, scratch) : loadWords(field.type, address)
  const open = set(entry, i32.add(get(batch), get(place)))
  if (field.nullOffset === undefined) {
    return { type, words, valid: undefined, load: [open, words.map((word, part) => set(word, loaded[part] ?? []))] }
  }
  const [validity, valid] = [body.local('i32'), body.local('i32')]
  const load = [
    open,
    set(validity, i32.load(get(entry), column.validity)),
    set(valid, ifValue('i32', get(validity), i32.load8U(i32.add(get(validity), get(row))), i32.const(1))),
    words.map((word, part) => set(word, select(loaded[part] ?? [], nullWords[part] ?? [], get(valid)))),
  ]
  return { type, words, valid, load }
}

/**
 * (batch, row, target, partition): writes the fields of a row. Long strings are copied to the partition's heap, which
 * has room for them; without `store` they stay where they are, and the partition means nothing.
 */
export function addWriteFields(
  builder: ModuleBuilder,
  store: StoreFunctions | undefined,
  sources: readonly SourceField[],
): number {
  return addColumnLoop(builder, {
    params: ['i32', 'i32', 'i32', 'i32'],
    result: 'nothing',
    columns: sources,
    classOf: classOfSource,
    placesOf: placesOfSource,
    code: ({ body, column: source, shared, places }) => {
      const [batch, row, target, partition] = shared as [number, number, number, number]
      const [entry, offset, flag] = places as [number, number, number]
      const value = loadValue(body, source, batch, row, entry)
      const address = i32.add(get(target), get(offset))
      const words = value.words.map(get)
      const isCopied = isView(source.field) && store !== undefined
      return [
        value.load,
        isCopied
          ? call(store.copyString, get(partition), address, words[0] ?? [], words[1] ?? [])
          : storeWords(value.type, address, words),
        value.valid === undefined ? [] : i32.store8(i32.add(get(target), get(flag)), get(value.valid)),
      ]
    },
  })
}

/** (batch, row) → i32: heap bytes that the strings of these fields need. */
export function addSourceNeed(builder: ModuleBuilder, sources: readonly SourceField[]): number {
  return addColumnLoop(builder, {
    params: ['i32', 'i32'],
    result: 'sum',
    columns: sources.filter(({ field }) => isView(field)),
    classOf: classOfSource,
    placesOf: placesOfSource,
    code: ({ body, column: source, shared, places, total }) => {
      const value = loadValue(body, source, shared[0] as number, shared[1] as number, places[0] as number)
      return [value.load, set(total, i32.add(get(total), longLength(get(value.words[0] as number))))]
    },
  })
}

/** (row) → i32: heap bytes of the strings of these fields. */
export function addRowNeed(builder: ModuleBuilder, fields: readonly RowField[]): number {
  return addColumnLoop(builder, {
    params: ['i32'],
    result: 'sum',
    columns: fields.filter(isView),
    classOf: () => '',
    placesOf: ({ offset }) => [offset],
    code: ({ shared, places, total }) => {
      const first = i64.load(i32.add(get(shared[0] as number), get(places[0] as number)))
      return set(total, i32.add(get(total), longLength(first)))
    },
  })
}

/** (partition, row): copies the long strings of these fields to the partition's heap, which has room for them. */
export function addCopyStrings(builder: ModuleBuilder, store: StoreFunctions, fields: readonly RowField[]): number {
  return addColumnLoop(builder, {
    params: ['i32', 'i32'],
    result: 'nothing',
    columns: fields.filter(isView),
    classOf: () => '',
    placesOf: ({ offset }) => [offset],
    code: ({ body, shared, places }) => {
      const [partition, row] = shared as [number, number]
      const view = body.local('i32')
      const [first, second] = [i64.load(get(view)), i64.load(get(view), 8)]
      return [
        set(view, i32.add(get(row), get(places[0] as number))),
        ifElse(isLong(first), call(store.copyString, get(partition), get(view), first, second)),
      ]
    },
  })
}

/** Statement: leaves a function of kind `any` if the words or the flag differ from those of a stored field. */
function leaveIfDifferent(
  type: DataType,
  own: { readonly words: readonly number[]; readonly valid: number | undefined },
  stored: { readonly address: Code; readonly flag: Code },
  longBytesEqual: number,
): Code {
  const leave = ret(i32.const(1))
  const others = loadWords(type, stored.address)
  const kinds = wordTypes(type)
  const differ = own.words.map((word, part) => {
    const other = others[part] ?? []
    return kinds[part] === 'i64' ? i64.ne(get(word), other) : i32.ne(get(word), other)
  })
  const flags = own.valid === undefined ? [] : ifElse(i32.ne(get(own.valid), i32.load8U(stored.flag)), leave)
  const [first = 0, second = 0] = own.words
  if (physicalOf(type) !== 'view') return [flags, differ.map((differs) => ifElse(differs, leave))]
  const bytes = call(longBytesEqual, i32.load(stored.address, 8), i32.wrapI64(get(second)), viewLength(get(first)))
  const unlike = ifValue('i32', isLong(get(first)), i32.eqz(bytes), i32.const(1))
  return [flags, ifElse(differ[0] ?? [], leave), ifElse(differ[1] ?? [], ifElse(unlike, leave))]
}

/** (batch, row, stored) → i32: 0 if a row of the store has the keys of a row of a batch. */
export function addKeysDiffer(builder: ModuleBuilder, keys: readonly KeyPlan[], longBytesEqual: number): number {
  return addColumnLoop(builder, {
    params: ['i32', 'i32', 'i32'],
    result: 'any',
    columns: keys.map(keySource),
    classOf: classOfSource,
    placesOf: placesOfSource,
    code: ({ body, column: source, shared, places }) => {
      const [batch, row, stored] = shared as [number, number, number]
      const [entry, offset, flag] = places as [number, number, number]
      const value = loadValue(body, source, batch, row, entry)
      const at = (place: number): Code => i32.add(get(stored), get(place))
      return [value.load, leaveIfDifferent(value.type, value, { address: at(offset), flag: at(flag) }, longBytesEqual)]
    },
  })
}

/** (row, row) → i32: 0 if two rows of a store have the same keys. */
export function addRowsDiffer(builder: ModuleBuilder, keys: readonly KeyPlan[], longBytesEqual: number): number {
  return addColumnLoop(builder, {
    params: ['i32', 'i32'],
    result: 'any',
    columns: keys.map(({ field }) => field),
    classOf: classOfField,
    placesOf: (field) => [field.offset, flagPlace(field)],
    code: ({ body, column: field, shared, places }) => {
      const [one, other] = shared as [number, number]
      const [offset, flag] = places as [number, number]
      const type = wordsOf(field.type)
      const words = keyWordTypes(field.type).map((word) => body.local(word))
      const valid = field.nullOffset === undefined ? undefined : body.local('i32')
      const loaded = loadWords(type, i32.add(get(one), get(offset)))
      const at = (place: number): Code => i32.add(get(other), get(place))
      return [
        words.map((word, part) => set(word, loaded[part] ?? [])),
        valid === undefined ? [] : set(valid, i32.load8U(i32.add(get(one), get(flag)))),
        leaveIfDifferent(type, { words, valid }, { address: at(offset), flag: at(flag) }, longBytesEqual),
      ]
    },
  })
}

/** (batch, row) → i32: 1 if one of these keys is null. */
export function addAnyNull(builder: ModuleBuilder, keys: readonly KeyPlan[]): number {
  return addColumnLoop(builder, {
    params: ['i32', 'i32'],
    result: 'any',
    columns: keys.filter(({ nullable }) => nullable),
    classOf: () => '',
    placesOf: (key) => [columnEntry(key.column)],
    code: ({ body, shared, places }) => {
      const [batch, row] = shared as [number, number]
      const validity = body.local('i32')
      const isNull = i32.eqz(i32.load8U(i32.add(get(validity), get(row))))
      return [
        set(validity, i32.load(i32.add(get(batch), get(places[0] as number)), column.validity)),
        ifElse(get(validity), ifElse(isNull, ret(i32.const(1)))),
      ]
    },
  })
}

/** (row) → i32: 1 if one of these fields is null. */
export function addRowHasNull(builder: ModuleBuilder, fields: readonly RowField[]): number {
  return addColumnLoop(builder, {
    params: ['i32'],
    result: 'any',
    columns: fields.filter(({ nullOffset }) => nullOffset !== undefined),
    classOf: () => '',
    placesOf: (field) => [flagPlace(field)],
    code: ({ shared, places }) =>
      ifElse(i32.eqz(i32.load8U(i32.add(get(shared[0] as number), get(places[0] as number)))), ret(i32.const(1))),
  })
}

/** What a hash is made of, beside the keys. */
export interface HashNeeds {
  readonly hashBytes: number
  readonly mask: bigint | undefined
  readonly purpose: HashPurpose
  /** More keys are hashed by a loop. The hash is another one then: all that look for a row must agree. */
  readonly narrowMax: number
}

/** (batch, row) → i64: the hash of the keys. */
export function addHashRow(builder: ModuleBuilder, keys: readonly KeyPlan[], needs: HashNeeds): number {
  const { hashBytes, mask, purpose } = needs
  const loops = keys.length > needs.narrowMax ? addHashLoop(builder, keys, hashBytes) : undefined
  const body = builder.addFunction({ params: ['i32', 'i32'], results: ['i64'] })
  const [batch, row] = [0, 1]
  const hash = body.local('i64')
  if (loops !== undefined) {
    body.emit(set(hash, call(loops, get(batch), get(row), i64.const(0n))), finishHash(hash, mask, purpose), get(hash))
    return body.index
  }
  const columns = keys.map((key) => openColumn(body, batch, key.column))
  const own = openKeys(body, keys)
  const scratch = { f32: body.local('f32'), f64: body.local('f64') }
  body.emit(loadKeys(own, columns, get(row), true, scratch), hashKeys(own, hash, hashBytes, mask, purpose), get(hash))
  return body.index
}

function addHashLoop(builder: ModuleBuilder, keys: readonly KeyPlan[], hashBytes: number): number {
  return addColumnLoop(builder, {
    params: ['i32', 'i32', 'i64'],
    result: 'hash',
    columns: keys.map(keySource),
    classOf: classOfSource,
    placesOf: placesOfSource,
    code: ({ body, column: source, shared, places }) => {
      const [batch, row, hash] = shared as [number, number, number]
      const value = loadValue(body, source, batch, row, places[0] as number)
      const words = hashedWords(source.field, value.words, value.valid, hashBytes)
      return [value.load, words.map((word) => mixStep(hash, word))]
    },
  })
}
