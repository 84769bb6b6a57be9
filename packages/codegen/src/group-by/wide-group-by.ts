/**
 * The functions of a group-by whose rows have too many fields for code per field: keys are compared and written where
 * they lie, states treated by loops (see rows/column-loop.ts). The exports are those of any group-by, without the fused
 * loops, which hold a row in locals.
 */
import { forEachRow, openRowLoop } from '../rows/batch-code.ts'
import { localStore } from '../rows/row-store-layout.ts'
import { wideTransferRow, addWideLoadRows } from '../rows/wide-move.ts'
import { addWideFieldGather } from '../rows/wide-gather.ts'
import {
  addHashRow,
  addKeysDiffer,
  addRowNeed,
  addRowsDiffer,
  addSourceNeed,
  addWriteFields,
  keySource,
} from '../rows/wide-rows.ts'
import { brIf, call, i32, i64, ifElse, local, ret } from '../wasm/instructions.ts'
import { nullWordsOf } from './aggregate-code.ts'
import {
  addAbsorb,
  addPageFunction,
  checkRange,
  clearStop,
  enter,
  type GroupModule,
  openProbe,
  probeCode,
} from './find-code.ts'
import type { KeyPlan } from './group-by-plan.ts'
import { addInitialStates, addMergeStates, addWideEmit, addWideUpdate, addWideUpdateSingle } from './wide-update.ts'

const { get, set } = local

/** Adds all exports but the counters of nUnique. @param narrowMax keys that are hashed by code of their own */
export function addWideGroupBy(module: GroupModule, narrowMax: number): void {
  const { keys, layout } = module.plan
  const initial = addInitialStates(module)
  addLookups(module, initial, keys, '0', narrowMax)
  // Batches of other kinds carry the keys first.
  addLookups(
    module,
    initial,
    keys.map((key, column) => ({ ...key, column })),
    '1',
    narrowMax,
  )
  addWideUpdate(module)
  addWideUpdateSingle(module)
  const { builder, store, kernels } = module
  const rowsDiffer = addRowsDiffer(builder, keys, kernels.longBytesEqual)
  const states = layout.fields.filter(({ role }) => role === 'state')
  const stateNeed = addRowNeed(builder, states)
  addAbsorb(module, 'absorb', { rowsDiffer, stateNeed, mergeStates: addMergeStates(module, true) })
  addAbsorb(module, 'mergeMatching', { rowsDiffer, stateNeed, mergeStates: addMergeStates(module, false) })
  const transfer = wideTransferRow(builder, layout, store)
  addPageFunction(module, 'transfer', (body, page) => transfer(body, page))
  addWideFieldGather(builder, 'spillRows', layout.fields)
  const owners = new Map(module.plan.aggregates.map((aggregate) => [aggregate.value, aggregate]))
  addWideLoadRows(builder, layout, store, (field) => {
    const owner = owners.get(field)
    return nullWordsOf(owner === undefined ? [] : [owner], field)
  })
  addWideEmit(module)
}

/** Exports hash, upsert and append for batches of one kind, and createSingle. @param keys with their columns there */
function addLookups(
  module: GroupModule,
  initial: number,
  keys: readonly KeyPlan[],
  suffix: '0' | '1',
  narrowMax: number,
): void {
  const { builder, plan, kernels } = module
  const needs = { hashBytes: kernels.hashBytes, mask: plan.hashMask, purpose: 'groupBy', narrowMax } as const
  const hashRow = addHashRow(builder, keys, needs)
  const hash = builder.addFunction({ params: ['i32', 'i32'], results: [] }, `hash${suffix}`)
  const [batch, hashes] = [0, 1]
  const rows = openRowLoop(hash, batch)
  const target = i32.add(get(hashes), i32.shl(get(rows.position), i32.const(3)))
  hash.emit(forEachRow(rows, i64.store(target, call(hashRow, get(batch), get(rows.row)))))
  const insert = addInsert(module, initial, keys)
  const keysDiffer = addKeysDiffer(builder, keys, kernels.longBytesEqual)
  addFind(module, { insert, keysDiffer }, 'upsert', suffix)
  addFind(module, { insert, keysDiffer }, 'append', suffix)
  if (suffix === '1' || keys.length > 0) return
  const single = builder.addFunction({ params: ['i32'], results: ['i32'] }, 'createSingle')
  single.emit(clearStop(0), call(insert, get(0), i64.const(0n), i32.const(0), i32.const(0), i32.const(0)))
}

/** (store, hash, slot address or 0, batch, row) → row or 0 and a stop reason, as in find-code.ts. */
function addInsert(module: GroupModule, initial: number, keys: readonly KeyPlan[]): number {
  const { builder, plan, store: functions } = module
  const sources = keys.map(keySource)
  const need = addSourceNeed(builder, sources)
  const write = addWriteFields(builder, functions, sources)
  const body = builder.addFunction({ params: ['i32', 'i64', 'i32', 'i32', 'i32'], results: ['i32'] })
  const [store, hash, slot, batch, source] = [0, 1, 2, 3, 4]
  const [partition, row] = [body.local('i32'), body.local('i32')]
  const bytes = call(need, get(batch), get(source))
  const taken = call(functions.takeRow, get(store), get(partition), i32.const(plan.layout.rowBytes), bytes)
  body.emit(
    set(partition, call(functions.partitionAddress, get(store), get(hash))),
    ifElse(get(slot), checkRange(store, partition, ret(i32.const(0)))),
    set(row, taken),
    ifElse(i32.eqz(get(row)), ret(i32.const(0))),
    ifElse(get(slot), enter(partition, slot, hash, row)),
    i32.store(get(store), i32.add(i32.load(get(store), localStore.newRows), i32.const(1)), localStore.newRows),
    i64.store(get(row), get(hash)),
    i32.store8(i32.add(get(row), i32.const(plan.layout.deadOffset)), i32.const(0)),
    call(write, get(batch), get(source), get(row), get(partition)),
    call(initial, get(row)),
    get(row),
  )
  return body.index
}

/** Exports upsert<suffix> (with look-up) or append<suffix>. */
function addFind(
  { builder }: GroupModule,
  functions: { readonly insert: number; readonly keysDiffer: number },
  name: 'upsert' | 'append',
  suffix: string,
): void {
  const five = ['i32', 'i32', 'i32', 'i32', 'i32'] as const
  const body = builder.addFunction({ params: five, results: ['i32'] }, name + suffix)
  const [batch, hashes, store, addresses, start] = [0, 1, 2, 3, 4]
  const rows = openRowLoop(body, batch)
  const hash = body.local('i64')
  const [found, slotAddress] = [body.local('i32'), body.local('i32')]
  const probe = openProbe(body, store)
  const operands = [get(store), get(hash), get(slotAddress), get(batch), get(rows.row)]
  const insert = set(found, call(functions.insert, ...operands))
  const match = i32.eqz(call(functions.keysDiffer, get(batch), get(rows.row), get(found)))
  body.emit(
    clearStop(store),
    set(rows.position, get(start)),
    forEachRow(rows, [
      set(hash, i64.load(i32.add(get(hashes), i32.shl(get(rows.position), i32.const(3))))),
      name === 'append' ? insert : probeCode(probe, { hash, found, slotAddress }, match, insert),
      brIf(1, i32.eqz(get(found))),
      i32.store(i32.add(get(addresses), i32.shl(get(rows.position), i32.const(2))), get(found)),
    ]),
    get(rows.position),
  )
}
