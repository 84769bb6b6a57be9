/**
 * Functions that find or create the rows of keys: hash, upsert, append, createSingle, absorb.
 */
import { physicalOf } from '@spillway/columnar'
import { anyValidity, forEachRow, openColumn, openRowLoop } from '../rows/batch-code.ts'
import type { RowLayout } from '../rows/row-layout.ts'
import { localStore, partitionStore, stopReason } from '../rows/row-store-layout.ts'
import { longLength, noteStop, type StoreFunctions } from '../rows/string-code.ts'
import { block, br, brIf, type Code, call, i32, i64, ifElse, ifValue, local, loop, ret } from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import type { GroupByPlan } from './group-by-plan.ts'
import { type AggregateCode, initialStates, mergeRows } from './aggregate-code.ts'
import {
  hashKeys,
  type KeyLocals,
  keysEqual,
  keyWordTypes,
  loadKeys,
  loadRowKeys,
  openKeys,
  storeKeyWords,
} from './key-code.ts'

const { get, set } = local

/** What the generators of one module share. */
export interface GroupModule {
  readonly builder: ModuleBuilder
  readonly plan: GroupByPlan
  readonly store: StoreFunctions
  readonly kernels: {
    readonly hashBytes: number
    readonly viewCompare: number
    readonly viewExtreme: number
    readonly sumI32: number
    readonly sumU32: number
    readonly sumF64: number
    readonly sumI64: number
    readonly sumU64: number
    readonly sumI128: number
    readonly countValid: number
    readonly longBytesEqual: number
  }
}

/** Position of each key in a batch: as the spec says (kind 0), or first of all (other kinds). */
export type KeyColumns = readonly number[]

/**
 * (local, hash, slot address or 0, words and flags of the keys) → row or 0 and a stop reason.
 * Makes a row with identity states, and enters it in the directory if there is a slot.
 */
export function addInsert(module: GroupModule): number {
  const { builder, plan, store } = module
  const params = plan.keys.flatMap((key) => [...keyWordTypes(key.type), ...(key.nullable ? (['i32'] as const) : [])])
  const body = builder.addFunction({ params: ['i32', 'i64', 'i32', ...params], results: ['i32'] })
  const [storeLocal, hash, slot] = [0, 1, 2]
  let next = 3
  const keys = plan.keys.map((key): KeyLocals => {
    const words = keyWordTypes(key.type).map(() => next++)
    return { key, words, valid: key.nullable ? next++ : undefined }
  })
  const partition = body.local('i32')
  const row = body.local('i32')
  const need = keys.flatMap(({ key, words }) =>
    physicalOf(key.type) === 'view' ? [longLength(get(words[0] ?? 0))] : [],
  )
  const totalNeed = need.length === 0 ? i32.const(0) : need.reduce((a, b) => i32.add(a, b))
  const { rowBytes } = plan.layout
  body.emit(
    set(partition, call(store.partitionAddress, get(storeLocal), get(hash))),
    ifElse(get(slot), checkRange(storeLocal, partition, ret(i32.const(0)))),
    set(row, call(store.takeRow, get(storeLocal), get(partition), i32.const(rowBytes), totalNeed)),
    ifElse(i32.eqz(get(row)), ret(i32.const(0))),
    ifElse(get(slot), enter(partition, slot, hash, row)),
    i32.store(
      get(storeLocal),
      i32.add(i32.load(get(storeLocal), localStore.newRows), i32.const(1)),
      localStore.newRows,
    ),
    i64.store(get(row), get(hash)),
    i32.store8(get(row), i32.const(0), plan.layout.deadOffset),
    keys.map((key) => storeKey(key, row, partition, store)),
    initialStates(plan.aggregates, row),
    get(row),
  )
  return body.index
}

function storeKey(keyLocals: KeyLocals, row: number, partition: number, store: StoreFunctions): Code {
  const { key, words, valid } = keyLocals
  const { offset, nullOffset } = key.field
  const flag = valid === undefined || nullOffset === undefined ? [] : i32.store8(get(row), get(valid), nullOffset)
  const [first, second] = words
  if (physicalOf(key.type) !== 'view' || first === undefined || second === undefined) {
    return [storeKeyWords(key, row, words), flag]
  }
  const target = i32.add(get(row), i32.const(offset))
  return [call(store.copyString, get(partition), target, get(first), get(second)), flag]
}

/** Statement: stops (note, then `leave`) if the partition's range is at its limit. */
export function checkRange(store: number, partition: number, leave: Code): Code {
  const full = i32.geU(i32.load(get(partition), partitionStore.entryCount), i32.load(get(store), localStore.rangeLimit))
  return ifElse(full, [noteStop(store, get(partition), stopReason.rangeFull), leave])
}

/** Statement: enters a row in the directory. */
export function enter(partition: number, slot: number, hash: number, row: number): Code {
  const entries = i32.load(get(partition), partitionStore.entryCount)
  return [
    i32.store(get(partition), i32.add(entries, i32.const(1)), partitionStore.entryCount),
    i64.store(get(slot), i64.or(i64.shl(get(hash), i64.const(32n)), i64.extendI32U(get(row)))),
  ]
}

function floatScratch(body: FunctionBuilder) {
  return { f32: body.local('f32'), f64: body.local('f64') }
}

/** Calls `general` if a key column of the batch has nulls, else `fast`; both take this function's parameters. */
function dispatch(
  body: FunctionBuilder,
  module: GroupModule,
  keyColumns: KeyColumns,
  fast: number,
  general: number,
): void {
  const params = body.signature.params.map((_, index) => get(index))
  const nullable = keyColumns.filter((_, index) => module.plan.keys[index]?.nullable)
  if (nullable.length === 0 || fast === general) {
    body.emit(call(fast, ...params))
    return
  }
  const condition = anyValidity(0, nullable)
  if (body.signature.results.length === 0) body.emit(ifElse(condition, call(general, ...params), call(fast, ...params)))
  else body.emit(ifValue('i32', condition, call(general, ...params), call(fast, ...params)))
}

const anyNullable = (plan: GroupByPlan): boolean => plan.keys.some((key) => key.nullable)

/** Exports hash<suffix>. */
export function addHash(module: GroupModule, keyColumns: KeyColumns, suffix: string): void {
  const signature = { params: ['i32', 'i32'] as const, results: [] }
  const variant = (general: boolean): number => {
    const body = module.builder.addFunction(signature)
    const [batch, hashes] = [0, 1]
    const rows = openRowLoop(body, batch)
    const columns = keyColumns.map((index) => openColumn(body, batch, index))
    const keys = openKeys(body, module.plan.keys)
    const hash = body.local('i64')
    body.emit(
      forEachRow(rows, [
        loadKeys(keys, columns, get(rows.row), general, floatScratch(body)),
        hashKeys(keys, hash, module.kernels.hashBytes, module.plan.hashMask),
        i64.store(i32.add(get(hashes), i32.shl(get(rows.position), i32.const(3))), get(hash)),
      ]),
    )
    return body.index
  }
  const fast = variant(false)
  const general = anyNullable(module.plan) ? variant(true) : fast
  dispatch(module.builder.addFunction(signature, `hash${suffix}`), module, keyColumns, fast, general)
}

/** Exports upsert<suffix> (with look-up) or append<suffix>. */
export function addFind(
  module: GroupModule,
  insert: number,
  keyColumns: KeyColumns,
  name: 'upsert' | 'append',
  suffix: string,
): void {
  const signature = { params: ['i32', 'i32', 'i32', 'i32', 'i32'] as const, results: ['i32'] as const }
  const variant = (general: boolean): number => {
    const body = module.builder.addFunction(signature)
    const [batch, hashes, storeLocal, addresses, start] = [0, 1, 2, 3, 4]
    const rows = openRowLoop(body, batch)
    const columns = keyColumns.map((index) => openColumn(body, batch, index))
    const keys = openKeys(body, module.plan.keys)
    const hash = body.local('i64')
    const found = body.local('i32')
    const slotAddress = body.local('i32')
    const probe = openProbe(body, storeLocal)
    const insertCode = [set(found, callInsert(insert, keys, storeLocal, hash, slotAddress))]
    const match = keysEqual(keys, found, module.kernels.longBytesEqual)
    const find = name === 'append' ? insertCode : probeCode(probe, { hash, found, slotAddress }, match, insertCode)
    body.emit(
      clearStop(storeLocal),
      set(rows.position, get(start)),
      forEachRow(rows, [
        set(hash, i64.load(i32.add(get(hashes), i32.shl(get(rows.position), i32.const(3))))),
        loadKeys(keys, columns, get(rows.row), general, floatScratch(body)),
        find,
        brIf(1, i32.eqz(get(found))),
        i32.store(i32.add(get(addresses), i32.shl(get(rows.position), i32.const(2))), get(found)),
      ]),
      get(rows.position),
    )
    return body.index
  }
  const fast = variant(false)
  const general = anyNullable(module.plan) ? variant(true) : fast
  dispatch(module.builder.addFunction(signature, name + suffix), module, keyColumns, fast, general)
}

export function callInsert(
  insert: number,
  keys: readonly KeyLocals[],
  store: number,
  hash: number,
  slot: number,
): Code {
  const operands = keys.flatMap(({ words, valid }) => [...words, ...(valid === undefined ? [] : [valid])].map(get))
  return call(insert, get(store), get(hash), get(slot), ...operands)
}

/** Statement: no stop reason. */
export const clearStop = (store: number): Code =>
  i32.store(get(store), i32.const(stopReason.none), localStore.stopReason)

/** Locals that stay the same during a loop of look-ups. */
export interface Probe {
  readonly directory: number
  readonly shift: number
  readonly levelShift: number
  readonly rangeMask: number
  readonly slot: number
  readonly entry: number
}

export function openProbe(body: FunctionBuilder, store: number): Probe {
  const probe = {
    directory: body.local('i32'),
    shift: body.local('i64'),
    levelShift: body.local('i64'),
    rangeMask: body.local('i32'),
    slot: body.local('i32'),
    entry: body.local('i64'),
  }
  const field = (offset: number): Code => i32.load(get(store), offset)
  body.emit(
    set(probe.directory, field(localStore.directory)),
    set(probe.shift, i64.extendI32U(i32.sub(i32.const(64), field(localStore.directoryBits)))),
    set(probe.levelShift, i64.extendI32U(field(localStore.levelShift))),
    set(probe.rangeMask, field(localStore.rangeMask)),
  )
  return probe
}

/** Slot that a hash is looked for first (i32). */
export const homeSlot = (probe: Probe, hash: number): Code =>
  i32.wrapI64(i64.shrU(i64.shl(get(hash), get(probe.levelShift)), get(probe.shift)))

/** Slot after the present one, around the end of the range (i32). */
export function nextSlot({ slot, rangeMask }: Probe): Code {
  const keptBits = i32.and(get(slot), i32.xor(get(rangeMask), i32.const(-1)))
  return i32.or(keptBits, i32.and(i32.add(get(slot), i32.const(1)), get(rangeMask)))
}

/** 1 if the entry holds the salt of a hash. */
export const sameSalt = (probe: Probe, hash: number): Code =>
  i64.eqz(i64.shrU(i64.xor(get(probe.entry), i64.shl(get(hash), i64.const(32n))), i64.const(32n)))

/**
 * Statements: looks for `hash`; afterwards `found` is the matching row, or what `insert` left in it after it ran with
 * `slotAddress` at the empty slot.
 */
export function probeCode(
  probe: Probe,
  at: { readonly hash: number; readonly found: number; readonly slotAddress: number },
  match: Code,
  insert: Code,
): Code {
  const { slot, entry } = probe
  return [
    set(slot, homeSlot(probe, at.hash)),
    block([
      block(
        loop([
          set(at.slotAddress, i32.add(get(probe.directory), i32.shl(get(slot), i32.const(3)))),
          set(entry, i64.load(get(at.slotAddress))),
          brIf(1, i64.eqz(get(entry))),
          ifElse(sameSalt(probe, at.hash), [set(at.found, i32.wrapI64(get(entry))), brIf(3, match)]),
          set(slot, nextSlot(probe)),
          br(0),
        ]),
      ),
      insert,
    ]),
  ]
}

/** Exports createSingle: the row of a group-by without keys, with hash 0 and outside the directory. */
export function addCreateSingle(module: GroupModule, insert: number): void {
  const body = module.builder.addFunction({ params: ['i32'], results: ['i32'] }, 'createSingle')
  const zeroes = module.plan.keys.flatMap((key) => [
    ...keyWordTypes(key.type).map((type) => (type === 'i64' ? i64.const(0n) : i32.const(0))),
    ...(key.nullable ? [i32.const(0)] : []),
  ])
  body.emit(clearStop(0), call(insert, get(0), i64.const(0n), i32.const(0), ...zeroes))
}

/** Locals of a loop over the rows of a page. */
export interface PageLoop {
  readonly store: number
  readonly row: number
  readonly hash: number
  readonly partition: number
}

/** What a function over the rows of a page needs of its module. */
export interface PageModule {
  readonly builder: ModuleBuilder
  readonly plan: { readonly layout: RowLayout }
  readonly store: StoreFunctions
}

/** A function (store, page, rowCount, start) → processed that runs `statements` for each live row. `br(2)` stops. */
export function addPageFunction(
  module: PageModule,
  name: string,
  statements: (body: FunctionBuilder, page: PageLoop) => Code,
): void {
  const body = module.builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }, name)
  const [store, page, rowCount, position] = [0, 1, 2, 3]
  const row = body.local('i32')
  const hash = body.local('i64')
  const partition = body.local('i32')
  const { rowBytes, deadOffset } = module.plan.layout
  const inner = statements(body, { store, row, hash, partition })
  body.emit(
    clearStop(store),
    set(row, i32.add(get(page), i32.mul(get(position), i32.const(rowBytes)))),
    block(
      loop([
        brIf(1, i32.geU(get(position), get(rowCount))),
        ifElse(i32.eqz(i32.load8U(get(row), deadOffset)), [
          set(hash, i64.load(get(row))),
          set(partition, call(module.store.partitionAddress, get(store), get(hash))),
          inner,
        ]),
        set(row, i32.add(get(row), i32.const(rowBytes))),
        set(position, i32.add(get(position), i32.const(1))),
        br(0),
      ]),
    ),
    get(position),
  )
}

/** Functions of a module whose rows are too wide for code per field. */
export interface WideAbsorb {
  /** (row, row) → 0: their keys are equal. */
  readonly rowsDiffer: number
  /** (row) → heap bytes of the strings among its states. */
  readonly stateNeed: number
  /** (target, source, partition): merges states. */
  readonly mergeStates: number
}

/**
 * Exports absorb (rows without a match are linked) or mergeMatching (they are left alone, and strings that are kept are
 * copied into the store's own heap, so that the page and its heap may be freed afterwards).
 */
export function addAbsorb(module: GroupModule, name: 'absorb' | 'mergeMatching', wide?: WideAbsorb): void {
  const { plan } = module
  addPageFunction(module, name, (body, { store, row, hash, partition }) => {
    const keys = openKeys(body, wide === undefined ? plan.keys : [])
    const found = body.local('i32')
    const slotAddress = body.local('i32')
    const probe = openProbe(body, store)
    const match =
      wide === undefined
        ? keysEqual(keys, found, module.kernels.longBytesEqual)
        : i32.eqz(call(wide.rowsDiffer, get(row), get(found)))
    const link: Code = [
      // From here the way out of the page loop is: range check, probe block, live row, loop, block.
      checkRange(store, partition, br(4)),
      enter(partition, slotAddress, hash, row),
    ]
    const shares = name === 'absorb'
    const code: AggregateCode = {
      viewCompare: module.kernels.viewCompare,
      // Both rows of an absorbed pair outlive the result, so the survivor may point to the other one's bytes.
      replaceView: shares
        ? (target, source) => [i64.store(target, i64.load(source)), i64.store(target, i64.load(source, 8), 8)]
        : (target, source) => call(module.store.replaceString, get(partition), target, source),
      low: body.local('i64'),
    }
    return [
      loadRowKeys(keys, row),
      probeCode(probe, { hash, found, slotAddress }, match, [shares ? link : [], set(found, get(row))]),
      ifElse(i32.ne(get(found), get(row)), [
        shares ? [] : requireStringRoom(module, body, { store, row, partition }, wide),
        wide === undefined
          ? mergeRows(plan.aggregates, body, code, found, row)
          : call(wide.mergeStates, get(found), get(row), get(partition)),
        i32.store8(get(row), i32.const(1), plan.layout.deadOffset),
      ]),
    ]
  })
}

/** Statement: leaves the page loop unless the heap has room for all strings among the states of `row`. */
function requireStringRoom(
  module: GroupModule,
  body: FunctionBuilder,
  at: { readonly store: number; readonly row: number; readonly partition: number },
  wide: WideAbsorb | undefined,
): Code {
  const views = module.plan.layout.fields.filter((field) => field.role === 'state' && physicalOf(field.type) === 'view')
  if (views.length === 0) return []
  const need = body.local('i32')
  const each = wide === undefined ? views : []
  const bytes = each.map((field) => longLength(i64.load(get(at.row), field.offset)))
  const room = call(module.store.heapRoom, get(at.store), get(at.partition), get(need))
  // Out of: this check, the match, the live row, the loop, the block.
  return [
    set(need, wide === undefined ? bytes.reduce((a, b) => i32.add(a, b)) : call(wide.stateNeed, get(at.row))),
    ifElse(get(need), brIf(4, i32.eqz(room))),
  ]
}
