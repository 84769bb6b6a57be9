/**
 * Functions that add a batch to the states: update0 (a row per group), updateSingle0 (one row for all), and the
 * counters of nUnique for the other kinds of batches.
 */
import { descriptor, physicalOf } from '@spillway/columnar'
import { elementAddress, loadWords } from '../expr/load-value.ts'
import {
  anyValidity,
  type ColumnLocals,
  forEachRow,
  openColumn,
  openRowLoop,
  type RowLoop,
  validFlag,
} from '../rows/batch-code.ts'
import { longLength } from '../rows/string-code.ts'
import { brIf, type Code, call, f64, i32, i64, ifElse, ifValue, local, ret } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import {
  type AggregateCode,
  keepExtreme,
  localPlace,
  memoryPlace,
  type Operand,
  openOperand,
  type Place,
  updateState,
} from './aggregate-code.ts'
import { addBatchSums, hasBatchSum } from './batch-sum-code.ts'
import { clearStop, type GroupModule } from './find-code.ts'
import type { AggregatePlan } from './group-by-plan.ts'

const { get, set } = local

interface OpenAggregate {
  readonly aggregate: AggregatePlan
  readonly operand: Operand | undefined
  /** Statement: loads the operand of the current row. */
  readonly load: Code
}

/** Whether updating copies strings. */
const keepsString = (aggregate: AggregatePlan): boolean =>
  aggregate.value !== undefined && physicalOf(aggregate.value.type) === 'view'

/** Opens the operands of the aggregates of kind 0; columns used by several aggregates are loaded once per row. */
export function openAggregates(
  body: FunctionBuilder,
  aggregates: readonly AggregatePlan[],
  row: number,
  general: boolean,
): OpenAggregate[] {
  const columns = new Map<number, ColumnLocals>()
  const operands = new Map<number, Operand>()
  return aggregates.map((aggregate) => {
    const { column, type } = aggregate
    if (column === undefined || aggregate.function === 'len') return { aggregate, operand: undefined, load: [] }
    const known = operands.get(column)
    if (known !== undefined) return { aggregate, operand: known, load: [] }
    const columnLocals = columns.get(column) ?? openColumn(body, 0, column)
    columns.set(column, columnLocals)
    const view = elementAddress(type, get(columnLocals.values), get(row))
    const operand = openOperand(body, type, general && aggregate.nullable, view)
    operands.set(column, operand)
    const words = loadWords(type, view)
    const load = [
      operand.words.map((word, part) => set(word, words[part] ?? [])),
      operand.valid === undefined ? [] : set(operand.valid, validFlag(columnLocals, get(row))),
    ]
    return { aggregate, operand, load }
  })
}

/** Heap bytes that this row may need: all its long strings, whether they replace one or not. */
function stringNeed(opened: readonly OpenAggregate[]): Code | undefined {
  const needs = opened.flatMap(({ aggregate, operand }): Code[] => {
    if (operand === undefined || !keepsString(aggregate)) return []
    const bytes = longLength(get(operand.words[0] ?? 0))
    return [operand.valid === undefined ? bytes : i32.mul(bytes, get(operand.valid))]
  })
  return needs.length === 0 ? undefined : needs.reduce((a, b) => i32.add(a, b))
}

/** Statements for the current row. `br(1)` at their level leaves the loop when the heap has no room. */
export function updateRow(
  module: GroupModule,
  body: FunctionBuilder,
  opened: readonly OpenAggregate[],
  place: Place,
  group: number,
  store: number,
  ordinal: Code,
): Code {
  const partition = body.local('i32')
  const need = body.local('i32')
  const code: AggregateCode = {
    viewCompare: module.kernels.viewCompare,
    replaceView: (target, source) => call(module.store.replaceString, get(partition), target, source),
    low: body.local('i64'),
  }
  const bytes = stringNeed(opened)
  const partitionCode = call(module.store.partitionAddress, get(store), i64.load(get(group)))
  const room = call(module.store.heapRoom, get(store), get(partition), get(need))
  return [
    opened.map(({ load }) => load),
    bytes === undefined
      ? []
      : [set(need, bytes), ifElse(get(need), [set(partition, partitionCode), brIf(2, i32.eqz(room))])],
    opened.map(({ aggregate, operand }) => updateState(aggregate, place, operand, ordinal, code)),
  ]
}

/** The ordinal of the current row. */
export function ordinalCode(body: FunctionBuilder, position: number): { open: Code; ordinal: Code } {
  const first = body.local('i64')
  return {
    open: set(first, i64.load(get(0), descriptor.ordinal)),
    ordinal: i64.add(get(first), i64.extendI32U(get(position))),
  }
}

/** Exports update0. */
export function addUpdate(module: GroupModule): void {
  const signature = { params: ['i32', 'i32', 'i32', 'i32', 'i32'] as const, results: ['i32'] as const }
  const aggregates = module.plan.aggregates.filter((aggregate) => aggregate.kind === 0)
  const variant = (general: boolean): number => {
    const body = module.builder.addFunction(signature)
    const [batch, addresses, store, start, end] = [0, 1, 2, 3, 4]
    const rows = openRowLoop(body, batch)
    const group = body.local('i32')
    const opened = openAggregates(body, aggregates, rows.row, general)
    const { open, ordinal } = ordinalCode(body, rows.position)
    body.emit(
      open,
      clearStop(store),
      set(rows.position, get(start)),
      set(rows.count, get(end)),
      forEachRow(rows, [
        set(group, i32.load(i32.add(get(addresses), i32.shl(get(rows.position), i32.const(2))))),
        updateRow(module, body, opened, memoryPlace(group), group, store, ordinal),
      ]),
      get(rows.position),
    )
    return body.index
  }
  dispatchOperands(module, aggregates, signature, 'update0', variant)
}

const isStringExtreme = (aggregate: AggregatePlan): boolean =>
  keepsString(aggregate) && (aggregate.function === 'min' || aggregate.function === 'max')

/** Exports updateSingle0: the states are locals while the batch lasts, so floats are summed batch by batch. */
export function addUpdateSingle(module: GroupModule): void {
  const signature = { params: ['i32', 'i32', 'i32', 'i32'] as const, results: ['i32'] as const }
  const ofRows = module.plan.aggregates.filter((aggregate) => aggregate.kind === 0)
  const extremes = ofRows.filter(isStringExtreme)
  const others = ofRows.filter((aggregate) => !isStringExtreme(aggregate))
  // A batch whose loop may stop for heap pages is begun again in the middle, and must not be summed twice.
  const mayStop = others.some(keepsString)
  const variant = (general: boolean): number => {
    const summed = mayStop ? [] : others.filter((aggregate) => hasBatchSum(aggregate, general))
    const aggregates = others.filter((aggregate) => !summed.includes(aggregate))
    const fields = aggregates.flatMap(({ value, count, ordinal }) =>
      [value, count, ordinal].filter((field) => field !== undefined),
    )
    const body = module.builder.addFunction(signature)
    const [batch, group, store, start] = [0, 1, 2, 3]
    const rows = openRowLoop(body, batch)
    const { place, fill, flush, add } = batchSums(body, group, fields, aggregates)
    const opened = openAggregates(body, aggregates, rows.row, general)
    const { open, ordinal } = ordinalCode(body, rows.position)
    body.emit(
      open,
      clearStop(store),
      extremes.map((aggregate) => keepBatchExtreme(module, body, aggregate, rows, general)),
      set(rows.position, get(start)),
      addBatchSums(module, body, summed, rows, general),
    )
    // Extremes of strings and sums by kernels need no loop here: without another aggregate the batch is done.
    if (aggregates.length === 0) body.emit(get(rows.count))
    else
      body.emit(
        fill,
        forEachRow(rows, updateRow(module, body, opened, place, group, store, ordinal)),
        add,
        flush,
        get(rows.position),
      )
    return body.index
  }
  dispatchOperands(module, ofRows, signature, 'updateSingle0', variant)
}

/**
 * Statements of updateSingle0: a kernel finds the batch's extreme, and only that is compared with the state. Leaves the
 * function when the heap has no room for it; doing the batch again, from any row, changes nothing.
 */
function keepBatchExtreme(
  module: GroupModule,
  body: FunctionBuilder,
  aggregate: AggregatePlan,
  rows: RowLoop,
  general: boolean,
): Code {
  const [batch, group, store, start] = [0, 1, 2, 3]
  const { column, value, type } = aggregate
  if (column === undefined || value === undefined) return []
  const { kernels, store: functions } = module
  const isMin = aggregate.function === 'min'
  const { values, validity } = openColumn(body, batch, column)
  const best = body.local('i32')
  const need = body.local('i32')
  const partition = body.local('i32')
  const code: AggregateCode = {
    viewCompare: kernels.viewCompare,
    replaceView: (target, source) => [
      set(need, longLength(i64.load(source))),
      set(partition, call(functions.partitionAddress, get(store), i64.load(get(group)))),
      ifElse(
        get(need),
        ifElse(i32.eqz(call(functions.heapRoom, get(store), get(partition), get(need))), ret(get(start))),
      ),
      call(functions.replaceString, get(partition), target, source),
    ],
    low: need,
  }
  const operand: Operand = { type, words: [], valid: undefined, view: get(best) }
  const flags = general && aggregate.nullable ? get(validity) : i32.const(0)
  const flip = i64.const(isMin ? -1n : 0n)
  return [
    set(best, call(kernels.viewExtreme, get(values), flags, get(rows.selection), get(rows.count), flip)),
    ifElse(get(best), keepExtreme(memoryPlace(group), value, operand, isMin, code)),
  ]
}

/** A local place whose float sums start at zero for each batch: a sum of batch sums loses less than one long sum. */
function batchSums(
  body: FunctionBuilder,
  group: number,
  fields: Parameters<typeof localPlace>[2],
  aggregates: readonly AggregatePlan[],
) {
  const { place, fill, flush } = localPlace(body, group, fields)
  const before: Code[] = []
  const add: Code[] = []
  for (const { value, function: name } of aggregates) {
    if (value?.type.kind !== 'float64' || (name !== 'sum' && name !== 'mean')) continue
    const total = body.local('f64')
    before.push([set(total, place.load(value)[0] ?? []), place.store(value, [f64.const(0)])])
    add.push(place.store(value, [f64.add(get(total), place.load(value)[0] ?? [])]))
  }
  return { place, fill: [fill, before], flush, add }
}

function dispatchOperands(
  module: GroupModule,
  aggregates: readonly AggregatePlan[],
  signature: { readonly params: readonly 'i32'[]; readonly results: readonly 'i32'[] },
  name: string,
  variant: (general: boolean) => number,
): void {
  const nullable = aggregates.flatMap(({ column, nullable: mayBeNull }) =>
    mayBeNull && column !== undefined ? [column] : [],
  )
  const fast = variant(false)
  const general = nullable.length > 0 ? variant(true) : fast
  const body = module.builder.addFunction(signature, name)
  const params = signature.params.map((_, index) => get(index))
  if (general === fast) body.emit(call(fast, ...params))
  else body.emit(ifValue('i32', anyValidity(0, nullable), call(general, ...params), call(fast, ...params)))
}

/** Exports update<kind> and updateSingle<kind> of an nUnique counter. */
export function addCounters(module: GroupModule, aggregate: AggregatePlan): void {
  const field = aggregate.count
  if (field === undefined) return
  const update = module.builder.addFunction(
    { params: ['i32', 'i32', 'i32', 'i32', 'i32'], results: ['i32'] },
    `update${aggregate.kind}`,
  )
  const [addresses, start, end] = [1, 3, 4]
  const group = update.local('i32')
  const rows = openRowLoop(update, 0)
  const place = memoryPlace(group)
  update.emit(
    set(rows.position, get(start)),
    set(rows.count, get(end)),
    forEachRow(rows, [
      set(group, i32.load(i32.add(get(addresses), i32.shl(get(rows.position), i32.const(2))))),
      place.store(field, [i64.add(place.load(field)[0] ?? [], i64.const(1n))]),
    ]),
    get(rows.position),
  )
  const single = module.builder.addFunction(
    { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] },
    `updateSingle${aggregate.kind}`,
  )
  const only = memoryPlace(1)
  const count = i32.load(get(0), descriptor.selectionCount)
  const added = i64.extendI32U(i32.sub(count, get(3)))
  single.emit(only.store(field, [i64.add(only.load(field)[0] ?? [], added)]), count)
}
