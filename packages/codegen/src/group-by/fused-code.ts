/**
 * upsertUpdate0: hash, look-up and update of a row in one loop. With few groups the update of a row waits for the one
 * before it through memory; hashing and probing of the next rows then fill the gap. Exported only when no aggregate
 * keeps strings, so that a row that was found is always updated.
 *
 * The loop calls nothing: a call makes the compiler keep every local of the loop on the stack. A row that needs one (a
 * new group, a long string) leaves the loop, is done on its own, and the loop goes on behind it.
 */
import { physicalOf } from '@spillway/columnar'
import { anyValidity, openColumn, openRowLoop, selectedRow } from '../rows/batch-code.ts'
import { isLong } from '../rows/string-code.ts'
import { block, br, brIf, type Code, call, i32, i64, ifElse, ifValue, local, loop } from '../wasm/instructions.ts'
import { memoryPlace } from './aggregate-code.ts'
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
import { hashKeys, type KeyLocals, keysEqual, loadKeys, openKeys, wordsEqual } from './key-code.ts'
import { openAggregates, ordinalCode, updateRow } from './update-code.ts'

const { get, set } = local

/** Exports upsertUpdate0 (batch, local, start) → processed, if the aggregates allow it. */
export function addFused(module: GroupModule, insert: number): void {
  const { plan, builder } = module
  const aggregates = plan.aggregates.filter((aggregate) => aggregate.kind === 0)
  if (aggregates.some(({ value }) => value !== undefined && physicalOf(value.type) === 'view')) return
  const nullable = [
    ...plan.keys.filter((key) => key.nullable).map((key) => key.column),
    ...aggregates.flatMap(({ column, nullable: mayBeNull }) => (mayBeNull && column !== undefined ? [column] : [])),
  ]
  const fast = addVariant(module, insert, false)
  const general = nullable.length === 0 ? fast : addVariant(module, insert, true)
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'upsertUpdate0')
  const [batch, store, start] = [get(0), get(1), get(2)]
  if (fast === general) body.emit(call(fast, batch, store, start))
  else
    body.emit(
      ifValue('i32', anyValidity(0, nullable), call(general, batch, store, start), call(fast, batch, store, start)),
    )
}

function addVariant(module: GroupModule, insert: number, general: boolean): number {
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
  // Blocks around the inner loop, from inside: slow, outer loop, done. Around the probe loop: matched, inner loop, …
  const inner = [
    brIf(3, i32.geU(get(rows.position), get(rows.count))),
    set(rows.row, selectedRow(rows)),
    loadKeys(keys, columns, get(rows.row), general, scratch),
    anyLong === undefined ? [] : brIf(1, anyLong),
    hashKeys(keys, hash, undefined, plan.hashMask),
    set(probe.slot, homeSlot(probe, hash)),
    block(
      loop([
        set(probe.entry, i64.load(i32.add(get(probe.directory), i32.shl(get(probe.slot), i32.const(3))))),
        brIf(3, i64.eqz(get(probe.entry))),
        ifElse(sameSalt(probe, hash), [
          set(found, i32.wrapI64(get(probe.entry))),
          // The row's strings are short: equal keys are equal words.
          brIf(2, wordsEqual(keys, found)),
        ]),
        set(probe.slot, nextSlot(probe)),
        br(0),
      ]),
    ),
    updateAndStep(),
    br(0),
  ]
  const slow = [
    hashKeys(keys, hash, kernels.hashBytes, plan.hashMask),
    probeCode(probe, { hash, found, slotAddress }, keysEqual(keys, found, kernels.longBytesEqual), create),
    brIf(1, i32.eqz(get(found))),
    updateAndStep(),
    br(0),
  ]
  body.emit(
    open,
    clearStop(store),
    set(rows.position, get(start)),
    block(loop([block(loop(inner)), slow])),
    get(rows.position),
  )
  return body.index
}

/** 1 if one of the keys in the locals is a long string; undefined: no key is a string. */
function anyLongKey(keys: readonly KeyLocals[]): Code | undefined {
  const flags = keys.flatMap(({ key, words }) => (physicalOf(key.type) === 'view' ? [isLong(get(words[0] ?? 0))] : []))
  return flags.length === 0 ? undefined : flags.reduce((a, b) => i32.or(a, b))
}
