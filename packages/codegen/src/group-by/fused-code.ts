/**
 * upsertUpdate0: hash, look-up and update of a row in one loop. With few groups the update of a row waits for the one
 * before it through memory; hashing and probing of the next rows then fill the gap. Exported only when no aggregate
 * keeps strings, so that a row that was found is always updated.
 */
import { physicalOf } from '@spillway/columnar'
import { anyValidity, forEachRow, openColumn, openRowLoop } from '../rows/batch-code.ts'
import { brIf, call, i32, ifValue, local } from '../wasm/instructions.ts'
import { memoryPlace } from './aggregate-code.ts'
import { callInsert, clearStop, type GroupModule, openProbe, probeCode } from './find-code.ts'
import { hashKeys, keysEqual, loadKeys, openKeys } from './key-code.ts'
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
  const match = keysEqual(keys, found, kernels.longBytesEqual)
  body.emit(
    open,
    clearStop(store),
    set(rows.position, get(start)),
    forEachRow(rows, [
      loadKeys(keys, columns, get(rows.row), general, scratch),
      hashKeys(keys, hash, kernels.hashBytes, plan.hashMask),
      probeCode(probe, { hash, found, slotAddress }, match, create),
      brIf(1, i32.eqz(get(found))),
      updateRow(module, body, opened, memoryPlace(found), found, store, ordinal),
    ]),
    get(rows.position),
  )
  return body.index
}
