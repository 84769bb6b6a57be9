/**
 * Hash, look-up and update of a row in one function. Exported only when no aggregate keeps strings, so that a row that
 * was found is always updated.
 *
 *   upsertUpdate0      one loop. With few groups the update of a row waits for the one before it through memory; hashing
 *                      and probing of the next rows then fill the gap.
 *   upsertUpdateFar0   blocks of rows, each in two loops: the first hashes and touches directory and group of every row,
 *                      so that many cache misses are under way at a time; the second finds everything at hand.
 */
import { physicalOf } from '@spillway/columnar'
import { anyValidity, forEachRow, openColumn, openRowLoop, type RowLoop } from '../rows/batch-code.ts'
import { localStore } from '../rows/row-store-layout.ts'
import { block, br, brIf, type Code, call, i32, i64, ifElse, ifValue, local, loop, select } from '../wasm/instructions.ts'
import { memoryPlace } from './aggregate-code.ts'
import { callInsert, clearStop, type GroupModule, homeSlot, openProbe, probeCode } from './find-code.ts'
import { hashKeys, keysEqual, loadKeys, openKeys } from './key-code.ts'
import { openAggregates, ordinalCode, updateRow } from './update-code.ts'

const { get, set } = local

/** Rows of a block: their hashes take 4 KiB, the lines they touch fit into the second-level cache. */
export const FAR_BLOCK_ROWS = 512

const parameters = ['i32', 'i32', 'i32', 'i32'] as const

/** Exports both (batch, local, start, hashes) → processed, if the aggregates allow it. */
export function addFused(module: GroupModule, insert: number): void {
  const { plan, builder } = module
  const aggregates = plan.aggregates.filter((aggregate) => aggregate.kind === 0)
  if (aggregates.some(({ value }) => value !== undefined && physicalOf(value.type) === 'view')) return
  const nullable = [
    ...plan.keys.filter((key) => key.nullable).map((key) => key.column),
    ...aggregates.flatMap(({ column, nullable: mayBeNull }) => (mayBeNull && column !== undefined ? [column] : [])),
  ]
  for (const [name, isFar] of [['upsertUpdate0', false] as const, ['upsertUpdateFar0', true] as const]) {
    const fast = addVariant(module, insert, false, isFar)
    const general = nullable.length === 0 ? fast : addVariant(module, insert, true, isFar)
    const body = builder.addFunction({ params: parameters, results: ['i32'] }, name)
    const operands = parameters.map((_, index) => get(index))
    if (fast === general) body.emit(call(fast, ...operands))
    else body.emit(ifValue('i32', anyValidity(0, nullable), call(general, ...operands), call(fast, ...operands)))
  }
}

function addVariant(module: GroupModule, insert: number, general: boolean, isFar: boolean): number {
  const { plan, kernels } = module
  const body = module.builder.addFunction({ params: parameters, results: ['i32'] })
  const [batch, store, start, hashes] = [0, 1, 2, 3]
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
  const match = keysEqual(keys, found, kernels.longBytesEqual)
  const load = loadKeys(keys, columns, get(rows.row), general, scratch)
  const compute = hashKeys(keys, hash, kernels.hashBytes, plan.hashMask)
  const findAndUpdate = [
    probeCode(probe, { hash, found, slotAddress }, match, create),
    brIf(1, i32.eqz(get(found))),
    updateRow(module, body, opened, memoryPlace(found), found, store, ordinal),
  ]
  body.emit(open, clearStop(store), set(rows.position, get(start)))
  if (!isFar) {
    body.emit(forEachRow(rows, [load, compute, findAndUpdate]), get(rows.position))
    return body.index
  }
  const touched = body.local('i32')
  const hashAt = (position: number): Code =>
    i32.add(get(hashes), i32.shl(i32.and(get(position), i32.const(FAR_BLOCK_ROWS - 1)), i32.const(3)))
  const ahead: RowLoop = { ...rows, position: body.local('i32'), count: body.local('i32') }
  const entry = i32.load(i32.add(get(probe.directory), i32.shl(homeSlot(probe, hash), i32.const(3))))
  const touch = [
    load,
    compute,
    i64.store(hashAt(ahead.position), get(hash)),
    // Low word of the directory entry: a group's address, or 0, where a load does no harm.
    set(touched, i32.xor(get(touched), i32.load(entry, plan.layout.rowBytes - 4))),
  ]
  const { position, count } = rows
  const rest = i32.sub(get(count), get(position))
  const blockRows = i32.const(FAR_BLOCK_ROWS)
  body.emit(
    block(
      loop([
        brIf(1, i32.geU(get(position), get(count))),
        set(ahead.position, get(position)),
        set(ahead.count, i32.add(get(position), select(rest, blockRows, i32.ltU(rest, blockRows)))),
        forEachRow(ahead, touch),
        forEachRow({ ...rows, count: ahead.count }, [load, set(hash, i64.load(hashAt(position))), findAndUpdate]),
        brIf(1, i32.ltU(get(position), get(ahead.count))),
        br(0),
      ]),
    ),
    // What was touched is used, so that the loads are not dropped.
    ifElse(i32.eq(get(touched), i32.const(1)), i32.store(get(store), get(touched), localStore.touched)),
    get(position),
  )
  return body.index
}
