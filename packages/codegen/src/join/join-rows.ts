/**
 * Compiles the module that keeps the rows of one side of a join: append, link, spill, load.
 *
 * Keys are kept in canonical form (one NaN, no -0), since they are only compared; a float that is put out is a payload
 * column of its own.
 */
import { physicalOf, typeName } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { elementAddress, loadWords, storeWords, zeroWords } from '../expr/load-value.ts'
import type { KeyPlan } from '../group-by/group-by-plan.ts'
import {
  hasDirectKey,
  hashKeys,
  type KeyLocals,
  keyWordTypes,
  loadKeys,
  loadRowKeys,
  openKeys,
  storeKeyWords,
} from '../group-by/key-code.ts'
import { forEachRow, openColumn, openRowLoop, validFlag } from '../rows/batch-code.ts'
import { addLoadRows, addSpillRows } from '../rows/move-code.ts'
import { addWideFieldGather } from '../rows/wide-gather.ts'
import { addWideLoadRows } from '../rows/wide-move.ts'
import {
  addAnyNull,
  addHashRow,
  addRowHasNull,
  addSourceNeed,
  addWriteFields,
  type HashNeeds,
  keySource,
  NARROW_FIELDS_MAX,
  type SourceField,
} from '../rows/wide-rows.ts'
import { makeRowLayout, type RowField, type RowFieldSpec, type RowLayout, spillSchemaOf } from '../rows/row-layout.ts'
import { joinStore, KEY_RANGE_BYTES, KEY_RANGES_MAX, localStore, stopReason } from '../rows/row-store-layout.ts'
import { addStoreFunctions, longLength, type StoreFunctions } from '../rows/string-code.ts'
import { block, br, brIf, type Code, call, i32, i64, ifElse, local, loop, select } from '../wasm/instructions.ts'
import { type FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import type { CompiledJoinRows, JoinColumn, JoinRowsSpec } from './join-spec.ts'

const { get, set } = local

interface RowsPlan {
  readonly spec: JoinRowsSpec
  readonly layout: RowLayout
  readonly keys: readonly KeyPlan[]
  readonly payload: readonly { readonly column: number; readonly field: RowField }[]
}

/**
 * Compiles a spec. Instantiate with { env: { memory }, kernel: kernel exports }; exports are JoinRowsExports.
 * @param narrowMax rows of more fields, and more keys, are treated by loops; the same for all modules of a join
 */
export function compileJoinRows(spec: JoinRowsSpec, narrowMax = NARROW_FIELDS_MAX): CompiledJoinRows {
  const plan = planRows(spec)
  let bytes: Uint8Array<ArrayBuffer> | undefined
  return {
    key: rowsKey(spec),
    get bytes() {
      bytes ??= generateModule(plan, narrowMax)
      return bytes
    },
    layout: plan.layout,
    spillSchema: spillSchemaOf(plan.layout),
    hasDirectKey: isDirect(plan),
    rangedKeys: rangedKeys(plan),
    keyFields: plan.keys.map((key) => key.field),
    payloadFields: plan.payload.map(({ field }) => field),
  }
}

function planRows(spec: JoinRowsSpec): RowsPlan {
  const specs = [
    ...spec.keys.map(({ type, nullable }, i): RowFieldSpec => ({ name: `key${i}`, type, nullable, role: 'key' })),
    ...spec.payload.map(
      ({ type, nullable }, i): RowFieldSpec => ({ name: `value${i}`, type, nullable, role: 'state' }),
    ),
  ]
  const layout = makeRowLayout(specs, true)
  // The first field is the hash.
  const keys = spec.keys.map((key, index): KeyPlan => {
    const field = layout.fields[1 + index]
    assert(field !== undefined, 'every key has a field')
    return { name: field.name, column: key.column, type: key.type, nullable: key.nullable, field }
  })
  const payload = spec.payload.map(({ column }, index) => {
    const field = layout.fields[1 + spec.keys.length + index]
    assert(field !== undefined, 'every payload column has a field')
    return { column, field }
  })
  return { spec, layout, keys, payload }
}

function rowsKey(spec: JoinRowsSpec): string {
  const { nullsEqual, keepsNullKeys, hashMask } = spec
  const flags = `${nullsEqual ? 'nullsEqual' : keepsNullKeys ? 'keepsNulls' : ''} | ${hashMask ?? ''}`
  return `join rows ${columnsText(spec.keys)} | ${columnsText(spec.payload)} | ${flags}`
}

/** Columns in the key of a module. */
export function columnsText(columns: readonly JoinColumn[]): string {
  return columns.map(({ column, type, nullable }) => `${column}:${typeName(type)}${nullable ? '?' : ''}`).join()
}

function generateModule(plan: RowsPlan, narrowMax: number): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder()
  const hashBytes = builder.importKernel('hashBytes', { params: ['i32', 'i32'], results: ['i64'] })
  const store = addStoreFunctions(builder)
  const nullWords = (field: RowField): readonly Code[] => zeroWords(field.type)
  if (plan.layout.fields.length > narrowMax) {
    addWideAppend(builder, plan, store, { hashBytes, mask: plan.spec.hashMask, purpose: 'join', narrowMax })
    addWideFieldGather(builder, 'spillRows', plan.layout.fields)
    addWideLoadRows(builder, plan.layout, store, nullWords)
    addLink(
      builder,
      plan,
      addRowHasNull(
        builder,
        plan.keys.map((key) => key.field),
      ),
    )
  } else {
    addAppend(builder, plan, store, hashBytes)
    addSpillRows(builder, plan.layout)
    addLoadRows(builder, plan.layout, store, nullWords)
    addLink(builder, plan, undefined)
  }
  if (isDirect(plan)) addLinkDirect(builder, plan)
  return builder.encode()
}

/** Null keys that match each other have no place in an array of keys. */
const isDirect = ({ keys, spec }: RowsPlan): boolean =>
  hasDirectKey(keys) && !(spec.nullsEqual && keys.some((key) => key.nullable))

/** Keys, by position, whose least and greatest values a store keeps: the first ones that are one integer word. */
function rangedKeys({ keys }: RowsPlan): number[] {
  const ranged = keys.flatMap((key, index) => (hasDirectKey([key]) ? [index] : []))
  return ranged.slice(0, KEY_RANGES_MAX)
}

/** A single integer key as i64, for the direct map. */
export function directKey([first]: readonly KeyLocals[]): Code {
  const word = first?.words[0]
  assert(first !== undefined && word !== undefined, 'a direct map has one key')
  return keyWordTypes(first.key.type)[0] === 'i64' ? get(word) : i64.extendI32S(get(word))
}

/** Exports append. */
function addAppend(builder: ModuleBuilder, plan: RowsPlan, store: StoreFunctions, hashBytes: number): void {
  const { spec, layout } = plan
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'append')
  const [batch, storeLocal, start] = [0, 1, 2]
  const rows = openRowLoop(body, batch)
  const keyColumns = plan.keys.map((key) => openColumn(body, batch, key.column))
  const keys = openKeys(body, plan.keys)
  const payload = plan.payload.map(({ column, field }) => ({ field, source: openColumn(body, batch, column) }))
  const scratch = { f32: body.local('f32'), f64: body.local('f64') }
  const [partition, row] = [body.local('i32'), body.local('i32')]
  const hash = body.local('i64')
  const words = payload.map(({ field, source }) => {
    const loaded = loadWords(field.type, elementAddress(field.type, get(source.values), get(rows.row)))
    if (field.nullOffset === undefined) return loaded
    const zero = zeroWords(field.type)
    return loaded.map((word, part) => select(word, zero[part] ?? [], validFlag(source, get(rows.row))))
  })
  const needs = [
    ...keys.flatMap(({ key, words: own }) => (isView(key.field) ? [longLength(get(own[0] ?? 0))] : [])),
    ...payload.flatMap(({ field }, index) => (isView(field) ? [longLength(words[index]?.[0] ?? [])] : [])),
  ]
  const need = needs.length === 0 ? i32.const(0) : needs.reduce((a, b) => i32.add(a, b))
  const storePayload = payload.map(({ field, source }, index): Code => {
    const [first = [], second = []] = words[index] ?? []
    const value = isView(field)
      ? call(store.copyString, get(partition), i32.add(get(row), i32.const(field.offset)), first, second)
      : storeWords(field.type, get(row), [first, second], field.offset)
    if (field.nullOffset === undefined) return value
    return [value, i32.store8(get(row), validFlag(source, get(rows.row)), field.nullOffset)]
  })
  const drops = !spec.nullsEqual && !spec.keepsNullKeys
  const isKept = drops ? allValid(keys) : i32.const(1)
  const ranged = rangedKeys(plan).flatMap((position) => keys[position] ?? [])
  const ranges = keyRanges(body, storeLocal, ranged, (own) => allValid(spec.nullsEqual ? [own] : keys))
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(rows.position, get(start)),
    ranges.open,
    forEachRow(rows, [
      loadKeys(keys, keyColumns, get(rows.row), true, scratch),
      ifElse(isKept, [
        hashKeys(keys, hash, hashBytes, spec.hashMask, 'join'),
        set(partition, call(store.partitionAddress, get(storeLocal), get(hash))),
        set(row, call(store.takeRow, get(storeLocal), get(partition), i32.const(layout.rowBytes), need)),
        brIf(2, i32.eqz(get(row))),
        i64.store(get(row), get(hash)),
        i32.store8(get(row), i32.const(0), layout.deadOffset),
        keys.map((key) => storeKey(key, row, partition, store)),
        storePayload,
        ranges.note,
      ]),
    ]),
    ranges.close,
    get(rows.position),
  )
}

/** Exports append for rows of many fields: written where they lie, by loops over runs of columns. */
function addWideAppend(builder: ModuleBuilder, plan: RowsPlan, store: StoreFunctions, needs: HashNeeds): void {
  const { spec, layout } = plan
  const sources = [
    ...plan.keys.map(keySource),
    ...plan.payload.map(
      ({ column, field }): SourceField => ({ column, field, isKey: false, nullWords: zeroWords(field.type) }),
    ),
  ]
  const hashRow = addHashRow(builder, plan.keys, needs)
  const need = addSourceNeed(builder, sources)
  const write = addWriteFields(builder, store, sources)
  const anyNull = addAnyNull(builder, plan.keys)
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'append')
  const [batch, storeLocal, start] = [0, 1, 2]
  const rows = openRowLoop(body, batch)
  const [partition, row, valid] = [body.local('i32'), body.local('i32'), body.local('i32')]
  const hash = body.local('i64')
  // Keys that have a range are few: they stand in locals.
  const ranged = rangedKeys(plan).flatMap((position) => plan.keys[position] ?? [])
  const keyColumns = ranged.map((key) => openColumn(body, batch, key.column))
  const keys = openKeys(body, ranged)
  const scratch = { f32: body.local('f32'), f64: body.local('f64') }
  const ranges = keyRanges(body, storeLocal, keys, (own) => (spec.nullsEqual ? allValid([own]) : get(valid)))
  const drops = !spec.nullsEqual && !spec.keepsNullKeys
  const bytes = call(need, get(batch), get(rows.row))
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(rows.position, get(start)),
    ranges.open,
    forEachRow(rows, [
      set(valid, i32.eqz(call(anyNull, get(batch), get(rows.row)))),
      ifElse(drops ? get(valid) : i32.const(1), [
        set(hash, call(hashRow, get(batch), get(rows.row))),
        set(partition, call(store.partitionAddress, get(storeLocal), get(hash))),
        set(row, call(store.takeRow, get(storeLocal), get(partition), i32.const(layout.rowBytes), bytes)),
        brIf(2, i32.eqz(get(row))),
        i64.store(get(row), get(hash)),
        i32.store8(i32.add(get(row), i32.const(layout.deadOffset)), i32.const(0)),
        call(write, get(batch), get(rows.row), get(row), get(partition)),
        loadKeys(keys, keyColumns, get(rows.row), true, scratch),
        ranges.note,
      ]),
    ]),
    ranges.close,
    get(rows.position),
  )
}

/** Keeps the least and the greatest values of the keys that rows of the other side may be equal to. */
function keyRanges(
  body: FunctionBuilder,
  store: number,
  ranged: readonly KeyLocals[],
  countsFor: (own: KeyLocals) => Code,
) {
  const address = body.local('i32')
  const ranges = ranged.map((own, index) => {
    const [least, greatest] = [body.local('i64'), body.local('i64')]
    const key = directKey([own])
    const counts = countsFor(own)
    const keep = (bound: number, isBeyond: Code): Code => set(bound, select(key, get(bound), i32.and(isBeyond, counts)))
    const at = index * KEY_RANGE_BYTES
    return {
      open: [set(least, i64.load(get(address), at)), set(greatest, i64.load(get(address), at + 8))],
      note: [keep(least, i64.ltS(key, get(least))), keep(greatest, i64.gtS(key, get(greatest)))],
      close: [i64.store(get(address), get(least), at), i64.store(get(address), get(greatest), at + 8)],
    }
  })
  return {
    open: [set(address, i32.load(get(store), joinStore.keyRanges)), ...ranges.map(({ open }) => open)],
    note: ranges.map(({ note }) => note),
    close: ranges.map(({ close }) => close),
  }
}

const isView = (field: RowField): boolean => physicalOf(field.type) === 'view'

/** 1 if no key in the locals is null. */
export function allValid(keys: readonly KeyLocals[]): Code {
  const flags = keys.flatMap(({ valid }) => (valid === undefined ? [] : [get(valid)]))
  return flags.length === 0 ? i32.const(1) : flags.reduce((a, b) => i32.and(a, b))
}

function storeKey({ key, words, valid }: KeyLocals, row: number, partition: number, store: StoreFunctions): Code {
  const { offset, nullOffset } = key.field
  const flag = valid === undefined || nullOffset === undefined ? [] : i32.store8(get(row), get(valid), nullOffset)
  if (!isView(key.field)) return [storeKeyWords(key, row, words), flag]
  const [first = 0, second = 0] = words
  assert(keyWordTypes(key.type).length === 2, 'a string key has two words')
  return [call(store.copyString, get(partition), i32.add(get(row), i32.const(offset)), get(first), get(second)), flag]
}

/** Exports link. @param hasNull function (row) → 1 if one of the keys is null; undefined: code per key */
function addLink(builder: ModuleBuilder, plan: RowsPlan, hasNull: number | undefined): void {
  const { layout, spec } = plan
  const link = layout.linkOffset
  assert(link !== undefined, 'rows of a join have a link')
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], results: ['i32'] }, 'link')
  const [row, rowsLeft, directory, shift, levelShift, checks] = [0, 1, 2, 3, 4, 5]
  const [slot, other, found] = [body.local('i32'), body.local('i32'), body.local('i32')]
  const [hash, entry] = [body.local('i64'), body.local('i64')]
  const flags = spec.nullsEqual ? [] : plan.keys.flatMap(({ field }) => field.nullOffset ?? [])
  const areValid = (): Code =>
    hasNull === undefined
      ? flags.map((at) => i32.load8U(get(row), at)).reduce(i32.and)
      : i32.eqz(call(hasNull, get(row)))
  const isLinked = flags.length === 0 ? i32.const(1) : areValid()
  const home = i32.wrapI64(i64.shrU(i64.shl(get(hash), i64.extendI32U(get(levelShift))), i64.extendI32U(get(shift))))
  body.emit(
    block(
      loop([
        brIf(1, i32.eqz(get(rowsLeft))),
        ifElse(isLinked, [
          set(hash, i64.load(get(row))),
          set(slot, i32.add(get(directory), i32.shl(home, i32.const(3)))),
          set(entry, i64.load(get(slot))),
          set(other, i32.wrapI64(get(entry))),
          i32.store(get(row), get(other), link),
          ifElse(get(checks), [
            block(
              loop([
                brIf(1, i32.eqz(get(other))),
                ifElse(i64.eq(i64.load(get(other)), get(hash)), [
                  set(found, i32.const(1)),
                  set(checks, i32.const(0)),
                  br(2),
                ]),
                set(other, i32.load(get(other), link)),
                br(0),
              ]),
            ),
          ]),
          i64.store(
            get(slot),
            i64.or(
              i64.or(i64.and(get(entry), i64.const(-0x100000000n)), i64.shl(i64.const(1n), tagOf(get(hash)))),
              i64.extendI32U(get(row)),
            ),
          ),
        ]),
        set(row, i32.add(get(row), i32.const(layout.rowBytes))),
        set(rowsLeft, i32.sub(get(rowsLeft), i32.const(1))),
        br(0),
      ]),
    ),
    get(found),
  )
}

/** Exports linkDirect. Rows with a null key are left out. */
function addLinkDirect(builder: ModuleBuilder, plan: RowsPlan): void {
  const { layout } = plan
  const link = layout.linkOffset
  assert(link !== undefined, 'rows of a join have a link')
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i64'], results: ['i32'] }, 'linkDirect')
  const [row, rowsLeft, map, least] = [0, 1, 2, 3]
  const [slot, other, found] = [body.local('i32'), body.local('i32'), body.local('i32')]
  const keys = openKeys(body, plan.keys)
  const { valid } = keys[0] ?? { valid: undefined }
  const index = i32.wrapI64(i64.sub(directKey(keys), get(least)))
  const enter = [
    set(slot, i32.add(get(map), i32.shl(index, i32.const(2)))),
    set(other, i32.load(get(slot))),
    i32.store(get(row), get(other), link),
    i32.store(get(slot), get(row)),
    set(found, i32.or(get(found), get(other))),
  ]
  body.emit(
    block(
      loop([
        brIf(1, i32.eqz(get(rowsLeft))),
        loadRowKeys(keys, row),
        valid === undefined ? enter : ifElse(get(valid), enter),
        set(row, i32.add(get(row), i32.const(layout.rowBytes))),
        set(rowsLeft, i32.sub(get(rowsLeft), i32.const(1))),
        br(0),
      ]),
    ),
    i32.ne(get(found), i32.const(0)),
  )
}

/** The bit of a directory entry that says that one of the chain's rows may have this hash (i64): 32 … 63. */
export function tagOf(hash: Code): Code {
  return i64.or(i64.and(hash, i64.const(31n)), i64.const(32n))
}
