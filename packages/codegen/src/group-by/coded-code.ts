/**
 * upsertUpdateCoded0: look-up and update of rows whose keys are dictionary codes (column.codes of a batch).
 *
 * The driver lends a map from combinations of codes to rows, u32 row addresses behind the strides of the keys:
 *
 *   map  ┌──────────────────────────┬──────────────────────────────────────────┐
 *        │ stride of each key       │ row of combination 0, 1, …; 0 = none yet │
 *        └──────────────────────────┴──────────────────────────────────────────┘
 *
 * A row's combination is the sum of (place of its code × stride in bytes) over the keys; places of a nullable key begin
 * at 1, and null is at 0. So a row of a known combination is neither hashed nor compared, and its key is not even
 * looked up in the dictionary. Any other row is found through the directory as ever and then entered in the map, which
 * is an index beside the directory, like the direct map.
 */
import { column, widthOf } from '@spillway/columnar'
import { anyValidity, columnEntry, openRowLoop, selectedRow, validFlag } from '../rows/batch-code.ts'
import { block, br, brIf, type Code, call, i32, ifValue, local, loop } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import { memoryPlace } from './aggregate-code.ts'
import { callInsert, clearStop, type GroupModule, openProbe, probeCode } from './find-code.ts'
import type { KeyPlan } from './group-by-plan.ts'
import { hashKeys, type KeyLocals, keysEqual, loadCodedKeys, openKeys } from './key-code.ts'
import { openAggregates, ordinalCode, updateRow } from './update-code.ts'

const { get, set } = local

const CODE_BYTES = 2

/** Bytes of a code map before its rows. */
export const codeMapHeaderBytes = (keyCount: number): number => Math.ceil(keyCount / 4) * 16

const signature = { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] } as const

/** Whether columns of this key's type may be codes. */
const canBeCodes = (key: KeyPlan): boolean => widthOf(key.type) >= CODE_BYTES

/** Exports upsertUpdateCoded0 (batch, local, start, map) → processed, for aggregates that allow a fused loop. */
export function addCoded(module: GroupModule, insert: number): void {
  const { plan, builder } = module
  if (plan.keys.length === 0 || !plan.keys.every(canBeCodes)) return
  const nullable = [
    ...plan.keys.filter((key) => key.nullable).map((key) => key.column),
    ...plan.aggregates.flatMap(({ column: operand, nullable: mayBeNull }) =>
      mayBeNull && operand !== undefined ? [operand] : [],
    ),
  ]
  const fast = addVariant(module, insert, false)
  const general = nullable.length === 0 ? fast : addVariant(module, insert, true)
  const body = builder.addFunction(signature, 'upsertUpdateCoded0')
  const operands = signature.params.map((_, index) => get(index))
  const whole = call(fast, ...operands)
  if (nullable.length === 0) body.emit(whole)
  else body.emit(ifValue('i32', anyValidity(0, nullable), call(general, ...operands), whole))
}

function addVariant(module: GroupModule, insert: number, general: boolean): number {
  const { plan, kernels } = module
  const body = module.builder.addFunction(signature)
  const [batch, store, start, map] = [0, 1, 2, 3]
  const rows = openRowLoop(body, batch)
  const coded = plan.keys.map((_, index) => openCodes(body, batch, map, plan.keys, index))
  const keys = openKeys(body, plan.keys)
  const hash = body.local('i64')
  const found = body.local('i32')
  const slotAddress = body.local('i32')
  const place = body.local('i32')
  const firstPlace = body.local('i32')
  const probe = openProbe(body, store)
  const aggregates = plan.aggregates.filter((aggregate) => aggregate.kind === 0)
  const opened = openAggregates(body, aggregates, rows.row, general)
  const { open, ordinal } = ordinalCode(body, rows.position)
  const create = set(found, callInsert(insert, keys, store, hash, slotAddress))
  const updateAndStep = (): Code => [
    updateRow(module, body, opened, memoryPlace(found), found, store, ordinal),
    set(rows.position, i32.add(get(rows.position), i32.const(1))),
  ]
  const { load, place: placeOf, begin } = combinationCode(coded, keys, general, rows.row)
  const inner = [
    brIf(3, i32.geU(get(rows.position), get(rows.count))),
    set(rows.row, selectedRow(rows)),
    load,
    set(place, placeOf(get(firstPlace))),
    set(found, i32.load(get(place))),
    brIf(1, i32.eqz(get(found))),
    updateAndStep(),
    br(0),
  ]
  const dictionaries = coded.map(({ dictionary }) => dictionary)
  const codes = coded.map(({ code }) => code)
  const scratch = { f32: body.local('f32'), f64: body.local('f64') }
  const slow = [
    loadCodedKeys(keys, dictionaries, codes, general, scratch),
    hashKeys(keys, hash, kernels.hashBytes, plan.hashMask),
    probeCode(probe, { hash, found, slotAddress }, keysEqual(keys, found, kernels.longBytesEqual), create),
    brIf(1, i32.eqz(get(found))),
    i32.store(get(place), get(found)),
    updateAndStep(),
    br(0),
  ]
  body.emit(
    open,
    clearStop(store),
    set(firstPlace, i32.add(i32.add(get(map), i32.const(codeMapHeaderBytes(plan.keys.length))), begin)),
    set(rows.position, get(start)),
    block(loop([block(loop(inner)), slow])),
    get(rows.position),
  )
  return body.index
}

/**
 * Code for the combination of the current row's codes.
 * @returns `load`: statement that loads codes and null flags; `place`: address in the map, given where places begin;
 * `begin`: bytes up to there
 */
function combinationCode(coded: readonly CodedColumn[], keys: readonly KeyLocals[], general: boolean, row: number) {
  const sum = (terms: readonly Code[], first: Code): Code => terms.reduce((a, b) => i32.add(a, b), first)
  const load = coded.map(({ codes, code, validity }, index) => {
    const valid = keys[index]?.valid
    return [
      set(code, i32.load16U(i32.add(get(codes), i32.shl(get(row), i32.const(1))))),
      general && valid !== undefined ? set(valid, validFlag({ values: codes, validity }, get(row))) : [],
    ]
  })
  // Without nulls the place of each code is one further on: all of that is in the address of the first place.
  const offsets = coded.map(({ code, scale }, index) => {
    const valid = keys[index]?.valid
    return scale(general && valid !== undefined ? i32.mul(i32.add(get(code), i32.const(1)), get(valid)) : get(code))
  })
  const skipped = coded.filter((_, index) => !general && keys[index]?.valid !== undefined)
  return {
    load,
    place: (first: Code): Code => sum(offsets, first),
    begin: sum(
      skipped.map(({ scale }) => scale(i32.const(1))),
      i32.const(0),
    ),
  }
}

/** A key column of codes held in locals. */
interface CodedColumn {
  readonly codes: number
  /** Code of the current row. */
  readonly code: number
  readonly dictionary: number
  /** 0 at run time = no nulls. */
  readonly validity: number
  /** Bytes in the map up to a place of this key. */
  readonly scale: (place: Code) => Code
}

function openCodes(
  body: FunctionBuilder,
  batch: number,
  map: number,
  keys: readonly KeyPlan[],
  index: number,
): CodedColumn {
  const entry = columnEntry(keys[index]?.column ?? 0)
  const [codes, code, dictionary, validity] = [
    body.local('i32'),
    body.local('i32'),
    body.local('i32'),
    body.local('i32'),
  ]
  body.emit(
    set(codes, i32.load(get(batch), entry + column.codes)),
    set(dictionary, i32.load(get(batch), entry + column.dictionary)),
    set(validity, i32.load(get(batch), entry + column.validity)),
  )
  // The stride of the last key is one row address.
  if (index === keys.length - 1) {
    return { codes, code, dictionary, validity, scale: (place) => i32.shl(place, i32.const(2)) }
  }
  const stride = body.local('i32')
  body.emit(set(stride, i32.load(get(map), index * 4)))
  return { codes, code, dictionary, validity, scale: (place) => i32.mul(place, get(stride)) }
}
