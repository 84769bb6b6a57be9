/**
 * upsertUpdate0: hash, look-up and update of a row in one loop. With few groups the update of a row waits for the one
 * before it through memory; hashing and probing of the next rows then fill the gap. Exported only when no aggregate
 * keeps strings, so that a row that was found is always updated.
 *
 * The loop calls nothing: a call makes the compiler keep every local of the loop on the stack. A row that needs one (a
 * new group, a long string) leaves the loop, is done on its own, and the loop goes on behind it.
 *
 * upsertUpdateDirect0 looks into the direct map first: the row that was last found at the key's low bits. If that row
 * has the key, nothing is hashed and no directory is read. With keys of a small range every row is found so, and the
 * map is a plain array by key; with any other keys it only misses. The map is an index beside the directory: what is in
 * it is in the store, so a miss is looked up as ever and the groups are the same. Rows with a null key are never in it.
 */
import { physicalOf } from '@spillway/columnar'
import { anyValidity, openColumn, openRowLoop, selectedRow } from '../rows/batch-code.ts'
import { localStore } from '../rows/row-store-layout.ts'
import { isLong } from '../rows/string-code.ts'
import { block, br, brIf, type Code, call, i32, i64, ifElse, ifValue, local, loop } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import { memoryPlace } from './aggregate-code.ts'
import type { GroupByPlan } from './group-by-plan.ts'
import {
  callInsert,
  clearStop,
  type GroupModule,
  homeSlot,
  nextSlot,
  openProbe,
  probeCode,
  sameSalt,
} from './find-code.ts'
import {
  hasDirectKey,
  hashKeys,
  type KeyLocals,
  keysEqual,
  loadKeys,
  openKeys,
  requireDirectKey,
  valuesEqual,
  wordsEqual,
} from './key-code.ts'
import { openAggregates, ordinalCode, updateRow } from './update-code.ts'

const { get, set } = local

/** No aggregate keeps strings: updating a row that was found never stops. */
export const canFuse = ({ aggregates }: GroupByPlan): boolean =>
  !aggregates.some(({ kind, value }) => kind === 0 && value !== undefined && physicalOf(value.type) === 'view')

/** Exports upsertUpdate0 (batch, local, start) → processed, if the aggregates allow it. */
export function addFused(module: GroupModule, insert: number): void {
  const { plan, builder } = module
  const aggregates = plan.aggregates.filter((aggregate) => aggregate.kind === 0)
  if (!canFuse(plan)) return
  const nullable = [
    ...plan.keys.filter((key) => key.nullable).map((key) => key.column),
    ...aggregates.flatMap(({ column, nullable: mayBeNull }) => (mayBeNull && column !== undefined ? [column] : [])),
  ]
  const fast = addVariant(module, insert, 'fast')
  const general = nullable.length === 0 ? fast : addVariant(module, insert, 'general')
  const exportChoice = (name: string, withoutNulls: number): void => {
    const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, name)
    const operands = [get(0), get(1), get(2)]
    const whole = call(withoutNulls, ...operands)
    if (nullable.length === 0) body.emit(whole)
    else body.emit(ifValue('i32', anyValidity(0, nullable), call(general, ...operands), whole))
  }
  exportChoice('upsertUpdate0', fast)
  if (hasDirectKey(plan.keys)) exportChoice('upsertUpdateDirect0', addVariant(module, insert, 'direct'))
}

/** `general` columns may have nulls; `direct`: they have none, and rows are looked for in the direct map first. */
function addVariant(module: GroupModule, insert: number, variant: 'fast' | 'general' | 'direct'): number {
  const general = variant === 'general'
  const { plan, kernels } = module
  const body = module.builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] })
  const [batch, store, start] = [0, 1, 2]
  const rows = openRowLoop(body, batch)
  const columns = plan.keys.map((key) => openColumn(body, batch, key.column))
  const keys = openKeys(body, plan.keys)
  const scratch = { f32: body.local('f32'), f64: body.local('f64') }
  const hash = body.local('i64')
  const found = body.local('i32')
  const slotAddress = body.local('i32')
  const probe = openProbe(body, store)
  const aggregates = plan.aggregates.filter((aggregate) => aggregate.kind === 0)
  const opened = openAggregates(body, aggregates, rows.row, general)
  const { open, ordinal } = ordinalCode(body, rows.position)
  const create = set(found, callInsert(insert, keys, store, hash, slotAddress))
  const anyLong = anyLongKey(keys)
  const updateAndStep = (): Code => [
    updateRow(module, body, opened, memoryPlace(found), found, store, ordinal),
    set(rows.position, i32.add(get(rows.position), i32.const(1))),
  ]
  const direct = variant === 'direct' ? openDirect(body, store, keys, found) : undefined
  // Blocks around the inner loop, from inside: slow, outer loop, done. Around the probe loop: matched, (known,) inner
  // loop, …
  const slowDepth = direct === undefined ? 3 : 4
  const look = [
    hashKeys(keys, hash, undefined, plan.hashMask),
    set(probe.slot, homeSlot(probe, hash)),
    block(
      loop([
        set(probe.entry, i64.load(i32.add(get(probe.directory), i32.shl(get(probe.slot), i32.const(3))))),
        brIf(slowDepth, i64.eqz(get(probe.entry))),
        ifElse(sameSalt(probe, hash), [
          set(found, i32.wrapI64(get(probe.entry))),
          // The row's strings are short: equal keys are equal words.
          brIf(2, wordsEqual(keys, found)),
        ]),
        set(probe.slot, nextSlot(probe)),
        br(0),
      ]),
    ),
  ]
  const inner = [
    brIf(3, i32.geU(get(rows.position), get(rows.count))),
    set(rows.row, selectedRow(rows)),
    loadKeys(keys, columns, get(rows.row), general, scratch),
    anyLong === undefined ? [] : brIf(1, anyLong),
    direct === undefined ? look : block([direct.find, look, direct.keep, direct.countMiss]),
    updateAndStep(),
    br(0),
  ]
  const slow = [
    hashKeys(keys, hash, kernels.hashBytes, plan.hashMask),
    probeCode(probe, { hash, found, slotAddress }, keysEqual(keys, found, kernels.longBytesEqual), create),
    brIf(1, i32.eqz(get(found))),
    direct?.keep ?? [],
    updateAndStep(),
    br(0),
  ]
  body.emit(
    open,
    clearStop(store),
    set(rows.position, get(start)),
    block(loop([block(loop(inner)), slow])),
    direct?.close ?? [],
    get(rows.position),
  )
  return body.index
}

/** Code around the direct map. `find` leaves the block that it stands in when the map has the row of the key. */
function openDirect(body: FunctionBuilder, store: number, keys: readonly KeyLocals[], found: number) {
  const map = body.local('i32')
  const mask = body.local('i32')
  const place = body.local('i32')
  const misses = body.local('i32')
  body.emit(
    set(map, i32.load(get(store), localStore.directMap)),
    set(mask, i32.load(get(store), localStore.directMask)),
    set(misses, i32.load(get(store), localStore.directMisses)),
  )
  return {
    find: [
      set(place, i32.add(get(map), i32.shl(i32.and(requireDirectKey(keys), get(mask)), i32.const(2)))),
      set(found, i32.load(get(place))),
      ifElse(get(found), brIf(1, valuesEqual(keys, found))),
    ],
    keep: i32.store(get(place), get(found)),
    countMiss: set(misses, i32.add(get(misses), i32.const(1))),
    close: i32.store(get(store), get(misses), localStore.directMisses),
  }
}

/** 1 if one of the keys in the locals is a long string; undefined: no key is a string. */
function anyLongKey(keys: readonly KeyLocals[]): Code | undefined {
  const flags = keys.flatMap(({ key, words }) => (physicalOf(key.type) === 'view' ? [isLong(get(words[0] ?? 0))] : []))
  return flags.length === 0 ? undefined : flags.reduce((a, b) => i32.or(a, b))
}
