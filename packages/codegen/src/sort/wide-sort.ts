/**
 * The functions of a sort whose rows have too many fields, or keys, for code per field: loops over runs of columns (see
 * rows/column-loop.ts). A row's fields are written first; its key is made from them, in place.
 */
import { descriptor, typeName } from '@spillway/columnar'
import { elementAddress, loadWords, wordTypes, zeroWords } from '../expr/load-value.ts'
import { forEachRow, openColumn, openRowLoop, validFlag } from '../rows/batch-code.ts'
import { addColumnLoop } from '../rows/column-loop.ts'
import { LOCAL_HEADER_BYTES, localStore, stopReason } from '../rows/row-store-layout.ts'
import type { StoreFunctions } from '../rows/string-code.ts'
import { addWideFieldGather } from '../rows/wide-gather.ts'
import { addCopyStrings, addRowNeed, addSourceNeed, addWriteFields, type SourceField } from '../rows/wide-rows.ts'
import {
  block,
  br,
  brIf,
  type Code,
  call,
  i32,
  i64,
  ifElse,
  local,
  loop,
  memory,
  ret,
  select,
} from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import {
  isKeyBelow,
  LENGTH_AT,
  makeKey,
  NULL_AT,
  openKeyScratch,
  type Part,
  placeKey,
  storeKey,
  type ValueLocals,
} from './key-code.ts'
import { isView, type KeyPlace, ordinalField, type SortPlan } from './sort-layout.ts'

const { get, set } = local

/** Adds all exports. @param narrowMax more keys are made by a loop */
export function addWideSort(
  builder: ModuleBuilder,
  plan: SortPlan,
  store: StoreFunctions,
  outputCount: number,
  narrowMax: number,
): void {
  const { fields } = plan.layout
  const makeRowKey = plan.places.length > narrowMax ? addKeyLoop(builder, plan) : addKeyOfRow(builder, plan)
  addAppend(builder, plan, store, makeRowKey)
  addLoad(builder, plan, makeRowKey)
  addKeep(builder, plan, store)
  addSelectBelow(builder, plan, Math.max(1, narrowMax))
  addWideFieldGather(builder, 'spillRows', [ordinalField(plan.layout), ...fields])
  addWideFieldGather(builder, 'emitRows', fields.slice(0, outputCount))
}

const sourcesOf = ({ layout }: SortPlan, firstColumn: number): SourceField[] =>
  layout.fields.map((field, index) => ({
    column: firstColumn + index,
    field,
    isKey: false,
    nullWords: zeroWords(field.type),
  }))

/** (row): makes the key of few columns, in locals. */
function addKeyOfRow(builder: ModuleBuilder, plan: SortPlan): number {
  const body = builder.addFunction({ params: ['i32'], results: [] })
  const row = 0
  const scratch = openKeyScratch(body, plan.layout.keyWords)
  const values = new Map<number, ValueLocals>()
  for (const { column } of plan.places) {
    const field = plan.layout.fields[column]
    if (field === undefined || values.has(column)) continue
    const words = wordTypes(field.type).map((type) => body.local(type))
    const valid = field.nullOffset === undefined ? undefined : body.local('i32')
    const loaded = loadWords(field.type, get(row), field.offset)
    body.emit(
      words.map((word, part) => set(word, loaded[part] ?? [])),
      valid === undefined ? [] : set(valid, i32.load8U(get(row), field.nullOffset)),
    )
    values.set(column, { words, valid })
  }
  body.emit(
    makeKey(scratch, plan.places, (column) => values.get(column) as ValueLocals),
    storeKey(scratch, row),
  )
  return body.index
}

/** (row): makes the key of many columns, in memory. */
function addKeyLoop(builder: ModuleBuilder, plan: SortPlan): number {
  const addPart = addMemoryPart(builder)
  const fieldOf = ({ column }: KeyPlace) => plan.layout.fields[column]
  const parts = addColumnLoop(builder, {
    params: ['i32'],
    result: 'nothing',
    columns: plan.places,
    classOf: ({ type, descending, nullsLast, nullAt }) =>
      `${typeName(type)} ${descending} ${nullsLast} ${nullAt !== undefined}`,
    placesOf: (place) => [
      fieldOf(place)?.offset ?? 0,
      fieldOf(place)?.nullOffset ?? 0,
      place.valueAt,
      place.nullAt ?? 0,
      place.lengthAt ?? 0,
    ],
    code: ({ body, column: place, shared, places }) => {
      const row = shared[0] as number
      const [offset, flag, valueAt, nullAt, lengthAt] = places as [number, number, number, number, number]
      const words = wordTypes(place.type).map((type) => body.local(type))
      const valid = place.nullAt === undefined ? undefined : body.local('i32')
      const loaded = loadWords(place.type, i32.add(get(row), get(offset)))
      const atOf = (at: number): Code => {
        if (at === NULL_AT) return get(nullAt)
        return at === LENGTH_AT ? get(lengthAt) : i32.add(get(valueAt), i32.const(at))
      }
      const add = ({ at, bytes, value }: Part): Code => call(addPart, get(row), atOf(at), i32.const(bytes), value)
      const own = {
        ...place,
        valueAt: 0,
        nullAt: place.nullAt === undefined ? undefined : NULL_AT,
        lengthAt: place.lengthAt === undefined ? undefined : LENGTH_AT,
      }
      return [
        words.map((word, part) => set(word, loaded[part] ?? [])),
        valid === undefined ? [] : set(valid, i32.load8U(i32.add(get(row), get(flag)))),
        placeKey(openKeyScratch(body, 0), own, { words, valid }, add),
      ]
    },
  })
  const body = builder.addFunction({ params: ['i32'], results: [] })
  body.emit(memory.fill(get(0), i32.const(0), i32.const(plan.layout.keyWords * 8)), call(parts, get(0)))
  return body.index
}

/** (row, at, bytes, value): puts the low bytes of a value into the one or two words of the key they belong to. */
function addMemoryPart(builder: ModuleBuilder): number {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i64'], results: [] })
  const [row, at, bytes, value] = [0, 1, 2, 3]
  const [word, end] = [body.local('i32'), body.local('i32')]
  const merge = (code: Code, offset: number): Code =>
    i64.store(get(word), i64.or(i64.load(get(word), offset), code), offset)
  const bits = (code: Code): Code => i64.extendI32U(i32.shl(code, i32.const(3)))
  const over = i32.sub(get(end), i32.const(8))
  body.emit(
    set(word, i32.add(get(row), i32.and(get(at), i32.const(-8)))),
    set(end, i32.add(i32.and(get(at), i32.const(7)), get(bytes))),
    ifElse(i32.leU(get(end), i32.const(8)), [
      merge(i64.shl(get(value), bits(i32.sub(i32.const(8), get(end)))), 0),
      ret(),
    ]),
    merge(i64.shrU(get(value), bits(over)), 0),
    merge(i64.shl(get(value), bits(i32.sub(i32.const(16), get(end)))), 8),
  )
  return body.index
}

/** Exports append. */
function addAppend(builder: ModuleBuilder, plan: SortPlan, store: StoreFunctions, makeRowKey: number): void {
  const sources = sourcesOf(plan, 0)
  const need = addSourceNeed(builder, sources)
  const write = addWriteFields(builder, store, sources)
  const { rowBytes, keyWords } = plan.layout
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'append')
  const [batch, storeLocal, start] = [0, 1, 2]
  const rows = openRowLoop(body, batch)
  const [partition, target] = [body.local('i32'), body.local('i32')]
  const ordinal = body.local('i64')
  const bytes = call(need, get(batch), get(rows.row))
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(partition, i32.add(get(storeLocal), i32.const(LOCAL_HEADER_BYTES))),
    set(ordinal, i64.load(get(batch), descriptor.ordinal)),
    set(rows.position, get(start)),
    forEachRow(rows, [
      set(target, call(store.takeRow, get(storeLocal), get(partition), i32.const(rowBytes), bytes)),
      brIf(1, i32.eqz(get(target))),
      call(write, get(batch), get(rows.row), get(target), get(partition)),
      i64.store(get(target), i64.add(get(ordinal), i64.extendI32U(get(rows.row))), keyWords * 8),
      call(makeRowKey, get(target)),
    ]),
    get(rows.position),
  )
}

/** Exports load. */
function addLoad(builder: ModuleBuilder, plan: SortPlan, makeRowKey: number): void {
  const write = addWriteFields(builder, undefined, sourcesOf(plan, 1))
  const { rowBytes, keyWords } = plan.layout
  const body = builder.addFunction({ params: ['i32', 'i32'], results: [] }, 'load')
  const [batch, target] = [0, 1]
  const rows = openRowLoop(body, batch)
  const ordinals = openColumn(body, batch, 0)
  const ordinal = i64.load(i32.add(get(ordinals.values), i32.shl(get(rows.row), i32.const(3))))
  body.emit(
    forEachRow(rows, [
      call(write, get(batch), get(rows.row), get(target), i32.const(0)),
      i64.store(get(target), ordinal, keyWords * 8),
      call(makeRowKey, get(target)),
      set(target, i32.add(get(target), i32.const(rowBytes))),
    ]),
  )
}

/** Exports keep. */
function addKeep(builder: ModuleBuilder, plan: SortPlan, store: StoreFunctions): void {
  const { layout } = plan
  const need = addRowNeed(builder, layout.fields)
  const copyStrings = addCopyStrings(builder, store, layout.fields)
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }, 'keep')
  const [entries, count, storeLocal, index] = [0, 1, 2, 3]
  const [partition, row, target] = [body.local('i32'), body.local('i32'), body.local('i32')]
  const bytes = call(need, get(row))
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(partition, i32.add(get(storeLocal), i32.const(LOCAL_HEADER_BYTES))),
    block(
      loop([
        brIf(1, i32.geU(get(index), get(count))),
        set(row, i32.load(i32.add(get(entries), i32.shl(get(index), i32.const(4))), 8)),
        set(target, call(store.takeRow, get(storeLocal), get(partition), i32.const(layout.rowBytes), bytes)),
        brIf(1, i32.eqz(get(target))),
        memory.copy(get(target), get(row), i32.const(layout.rowBytes)),
        call(copyStrings, get(partition), get(target)),
        set(index, i32.add(get(index), i32.const(1))),
        br(0),
      ]),
    ),
    get(index),
  )
}

/**
 * Exports selectBelow. Of many keys only the first `keysMax` are looked at: rows that tie with the bound in their words
 * are listed, as rows that may be below it.
 */
function addSelectBelow(builder: ModuleBuilder, plan: SortPlan, keysMax: number): void {
  const places = plan.places.slice(0, keysMax)
  const next = plan.places[keysMax]
  const end = next === undefined ? plan.layout.keyWords * 8 : (next.nullAt ?? next.valueAt)
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }, 'selectBelow')
  const [batch, bound, out, keepsTies] = [0, 1, 2, 3]
  const rows = openRowLoop(body, batch)
  const scratch = openKeyScratch(body, Math.ceil(end / 8))
  const compared = { ...scratch, words: scratch.words.slice(0, Math.floor(end / 8)) }
  const cursor = body.local('i32')
  const values = new Map(places.map(({ column }) => [column, openValue(body, plan, column, rows.row)]))
  const isBelow = isKeyBelow(compared, places, bound, next === undefined ? get(keepsTies) : i32.const(1))
  body.emit(
    set(cursor, get(out)),
    forEachRow(rows, [
      [...values.values()].map(({ load }) => load),
      makeKey(scratch, places, (column) => values.get(column) as ValueLocals),
      // Stored always, kept if below: no branch to predict.
      i32.store(get(cursor), get(rows.row)),
      set(cursor, i32.add(get(cursor), i32.shl(isBelow, i32.const(2)))),
    ]),
    i32.shrU(i32.sub(get(cursor), get(out)), i32.const(2)),
  )
}

/** A column of the batch at local 0, in locals. A null string is all zeroes. */
function openValue(body: FunctionBuilder, plan: SortPlan, column: number, row: number): ValueLocals & { load: Code } {
  const field = plan.layout.fields[column]
  const source = openColumn(body, 0, column)
  if (field === undefined) return { words: [], valid: undefined, load: [] }
  const words = wordTypes(field.type).map((type) => body.local(type))
  const valid = field.nullOffset === undefined ? undefined : body.local('i32')
  const loaded = loadWords(field.type, elementAddress(field.type, get(source.values), get(row)))
  const load = [
    valid === undefined ? [] : set(valid, validFlag(source, get(row))),
    words.map((word, part) => {
      const isText = valid !== undefined && isView(field.type)
      return set(word, isText ? select(loaded[part] ?? [], i64.const(0n), get(valid)) : (loaded[part] ?? []))
    }),
  ]
  return { words, valid, load }
}
