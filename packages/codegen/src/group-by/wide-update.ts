/**
 * States of thousands of aggregates: updated column by column, merged, made and put out by loops over runs of
 * aggregates of one class (see rows/column-loop.ts).
 *
 * Aggregates that keep strings may stop for heap pages. They go first, row by row, and say how far they came; the
 * others follow for just those rows, a column at a time.
 */
import { column, descriptor, physicalOf, raiseCode, typeName } from '@spillway/columnar'
import { elementAddress, loadWords, storeWords, zeroWords } from '../expr/load-value.ts'
import { columnEntry, forEachRow, openRowLoop, type RowLoop } from '../rows/batch-code.ts'
import { addColumnLoop } from '../rows/column-loop.ts'
import { writeError } from '../rows/gather-code.ts'
import type { RowField } from '../rows/row-layout.ts'
import { addWideGather } from '../rows/wide-gather.ts'
import { addSourceNeed, type SourceField } from '../rows/wide-rows.ts'
import { brIf, type Code, call, f64, i32, i64, ifElse, ifValue, local, ret } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import {
  type AggregateCode,
  initialState,
  mergeState,
  type Operand,
  openOperand,
  type Place,
  updateState,
} from './aggregate-code.ts'
import { addBatchSum, hasBatchSum } from './batch-sum-code.ts'
import { finalColumn } from './emit-code.ts'
import { clearStop, type GroupModule } from './find-code.ts'
import type { AggregatePlan, KeyPlan } from './group-by-plan.ts'
import { ordinalCode } from './update-code.ts'

const { get, set } = local

/** Where the parts of a state lie in a row: value, its null flag, count, ordinal; 0 for those that it has not. */
const placesOfState = ({ value, count, ordinal }: AggregatePlan): readonly number[] => [
  value?.offset ?? 0,
  value?.nullOffset ?? 0,
  count?.offset ?? 0,
  ordinal?.offset ?? 0,
]
const placesOfAggregate = (aggregate: AggregatePlan): readonly number[] => [
  columnEntry(aggregate.column ?? 0),
  ...placesOfState(aggregate),
]

const classOf = ({ function: name, type, nullable, column: operand }: AggregatePlan): string =>
  `${name} ${typeName(type)}${nullable ? '?' : ''} ${operand !== undefined}`

/** The states of an aggregate's class in the row at `base`. @param places locals in the order of `placesOfState` */
function placeAt(aggregate: AggregatePlan, base: number, places: readonly number[]): Place {
  const at = (place: number): Code => i32.add(get(base), get(places[place] as number))
  const partOf = (field: RowField): number => (field === aggregate.value ? 0 : field === aggregate.count ? 2 : 3)
  return {
    load: (field) => loadWords(field.type, at(partOf(field))),
    store: (field, words) => storeWords(field.type, at(partOf(field)), words),
    loadFlag: () => i32.load8U(at(1)),
    storeFlag: (_, flag) => i32.store8(at(1), flag),
    address: (field) => at(partOf(field)),
  }
}

const keepsString = ({ value }: AggregatePlan): boolean => value !== undefined && physicalOf(value.type) === 'view'

/** (row): the states of a group that has seen nothing. */
export function addInitialStates({ builder, plan }: GroupModule): number {
  return addColumnLoop(builder, {
    params: ['i32'],
    result: 'nothing',
    columns: plan.aggregates,
    classOf,
    placesOf: placesOfState,
    code: ({ column: aggregate, shared, places }) =>
      initialState(aggregate, placeAt(aggregate, shared[0] as number, places)),
  })
}

/**
 * (target, source, partition): merges the states of one row into those of another.
 * @param shares long strings of the source are pointed to; otherwise they are copied to the partition's heap
 */
export function addMergeStates(module: GroupModule, shares: boolean): number {
  return addColumnLoop(module.builder, {
    params: ['i32', 'i32', 'i32'],
    result: 'nothing',
    columns: module.plan.aggregates,
    classOf,
    placesOf: placesOfState,
    code: ({ body, column: aggregate, shared, places }) => {
      const [target, source, partition] = shared as [number, number, number]
      const code: AggregateCode = {
        viewCompare: module.kernels.viewCompare,
        replaceView: shares
          ? (to, from) => [i64.store(to, i64.load(from)), i64.store(to, i64.load(from, 8), 8)]
          : (to, from) => call(module.store.replaceString, get(partition), to, from),
        low: body.local('i64'),
      }
      const [to, from] = [placeAt(aggregate, target, places), placeAt(aggregate, source, places)]
      return mergeState(aggregate, body, code, to, from)
    },
  })
}

/** Exports update0. */
export function addWideUpdate(module: GroupModule): void {
  const { builder, plan } = module
  const aggregates = plan.aggregates.filter(({ kind }) => kind === 0)
  const strings = addStringUpdates(module, aggregates.filter(keepsString), false)
  const others = addColumnUpdates(
    module,
    aggregates.filter((aggregate) => !keepsString(aggregate)),
    false,
  )
  const five = ['i32', 'i32', 'i32', 'i32', 'i32'] as const
  const body = builder.addFunction({ params: five, results: ['i32'] }, 'update0')
  const [batch, addresses, store, start, end] = [0, 1, 2, 3, 4]
  body.emit(
    clearStop(store),
    strings === undefined ? [] : set(end, call(strings, get(batch), get(addresses), get(store), get(start), get(end))),
    call(others, get(batch), get(addresses), get(start), get(end)),
    get(end),
  )
}

/** Exports updateSingle0. */
export function addWideUpdateSingle(module: GroupModule): void {
  const { builder, plan } = module
  const aggregates = plan.aggregates.filter(({ kind }) => kind === 0)
  const strings = addStringUpdates(module, aggregates.filter(keepsString), true)
  // A batch that stopped for heap pages is begun again in the middle, which kernels of whole batches cannot do.
  const isSummed = (aggregate: AggregatePlan): boolean =>
    strings === undefined && hasBatchSum(aggregate, aggregate.nullable)
  const others = addColumnUpdates(
    module,
    aggregates.filter((aggregate) => !keepsString(aggregate) && !isSummed(aggregate)),
    true,
  )
  const sums = addBatchSums(module, aggregates.filter(isSummed))
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }, 'updateSingle0')
  const [batch, group, store, start] = [0, 1, 2, 3]
  const end = body.local('i32')
  body.emit(
    clearStop(store),
    set(end, i32.load(get(batch), descriptor.selectionCount)),
    strings === undefined ? [] : set(end, call(strings, get(batch), get(group), get(store), get(start), get(end))),
    call(others, get(batch), get(group), get(start), get(end)),
    call(sums, get(batch), get(group)),
    get(end),
  )
}

/** The row of the group at the present position; a single group is the parameter itself. */
const groupAt = (rows: RowLoop, groups: number, isSingle: boolean): Code =>
  isSingle ? get(groups) : i32.load(i32.add(get(groups), i32.shl(get(rows.position), i32.const(2))))

interface LoadedOperand {
  readonly operand: Operand | undefined
  /** Statement: finds the column. */
  readonly open: Code
  /** Statement: loads the operand of the row. */
  readonly load: Code
}

/** @param entry local: place of the column's entry in the descriptor at local 0 */
function openColumnOperand(body: FunctionBuilder, aggregate: AggregatePlan, entry: number, row: number): LoadedOperand {
  const { type, nullable } = aggregate
  if (aggregate.column === undefined || aggregate.function === 'len') return { operand: undefined, open: [], load: [] }
  const [values, validity] = [body.local('i32'), body.local('i32')]
  const view = elementAddress(type, get(values), get(row))
  const operand = openOperand(body, type, nullable, view)
  const words = loadWords(type, view)
  const flag = ifValue('i32', get(validity), i32.load8U(i32.add(get(validity), get(row))), i32.const(1))
  return {
    operand,
    open: [
      set(values, i32.load(i32.add(get(0), get(entry)), column.values)),
      set(validity, i32.load(i32.add(get(0), get(entry)), column.validity)),
    ],
    load: [
      operand.words.map((word, part) => set(word, words[part] ?? [])),
      operand.valid === undefined ? [] : set(operand.valid, flag),
    ],
  }
}

/** (batch, groups, start, end): these rows of the batch into the states, a column at a time. */
function addColumnUpdates(module: GroupModule, aggregates: readonly AggregatePlan[], isSingle: boolean): number {
  return addColumnLoop(module.builder, {
    params: ['i32', 'i32', 'i32', 'i32'],
    result: 'nothing',
    columns: aggregates,
    classOf,
    placesOf: placesOfAggregate,
    code: ({ body, column: aggregate, shared, places }) => {
      const [batch, groups, start, end] = shared as [number, number, number, number]
      const rows = openRowLoop(body, batch)
      const { open, ordinal } = ordinalCode(body, rows.position)
      body.emit(open)
      const group = body.local('i32')
      const loaded = openColumnOperand(body, aggregate, places[0] as number, rows.row)
      const place = placeAt(aggregate, group, places.slice(1))
      const { viewCompare } = module.kernels
      const code: AggregateCode = { viewCompare, replaceView: () => [], low: body.local('i64') }
      const sum = isSingle ? sumOfBatch(body, aggregate, place) : { before: [], after: [] }
      return [
        loaded.open,
        isSingle ? set(group, get(groups)) : [],
        sum.before,
        set(rows.position, get(start)),
        set(rows.count, get(end)),
        forEachRow(rows, [
          isSingle ? [] : set(group, groupAt(rows, groups, false)),
          loaded.load,
          updateState(aggregate, place, loaded.operand, ordinal, code),
        ]),
        sum.after,
      ]
    },
  })
}

/** A float sum starts at zero for each batch: a sum of batch sums loses less than one long sum. */
function sumOfBatch(body: FunctionBuilder, { value, function: name }: AggregatePlan, place: Place) {
  if (value?.type.kind !== 'float64' || (name !== 'sum' && name !== 'mean')) return { before: [], after: [] }
  const total = body.local('f64')
  return {
    before: [set(total, place.load(value)[0] ?? []), place.store(value, [f64.const(0)])],
    after: place.store(value, [f64.add(get(total), place.load(value)[0] ?? [])]),
  }
}

/** (batch, group): the whole batch into the states of a single group, by a kernel per column. */
function addBatchSums(module: GroupModule, aggregates: readonly AggregatePlan[]): number {
  return addColumnLoop(module.builder, {
    params: ['i32', 'i32'],
    result: 'nothing',
    columns: aggregates,
    classOf,
    placesOf: placesOfAggregate,
    code: ({ body, column: aggregate, shared, places }) => {
      const [batch, group] = shared as [number, number]
      const rows = openRowLoop(body, batch)
      const [values, validity] = [body.local('i32'), body.local('i32')]
      const entry = i32.add(get(batch), get(places[0] as number))
      return [
        set(values, i32.load(entry, column.values)),
        set(validity, i32.load(entry, column.validity)),
        addBatchSum(module, body, aggregate, rows, { values, validity }, placeAt(aggregate, group, places.slice(1))),
      ]
    },
  })
}

/**
 * (batch, groups, store, start, end) → the row before which the heap had no room, or `end`. Undefined: no aggregate
 * keeps strings.
 */
function addStringUpdates(
  module: GroupModule,
  aggregates: readonly AggregatePlan[],
  isSingle: boolean,
): number | undefined {
  if (aggregates.length === 0) return undefined
  const { builder, store: functions } = module
  const need = addSourceNeed(builder, aggregates.map(stringSource))
  const update = addStringRow(module, aggregates)
  const five = ['i32', 'i32', 'i32', 'i32', 'i32'] as const
  const body = builder.addFunction({ params: five, results: ['i32'] })
  const [batch, groups, store, start, end] = [0, 1, 2, 3, 4]
  const rows = openRowLoop(body, batch)
  const { open, ordinal } = ordinalCode(body, rows.position)
  const [group, partition, bytes] = [body.local('i32'), body.local('i32'), body.local('i32')]
  body.emit(
    open,
    set(rows.position, get(start)),
    set(rows.count, get(end)),
    forEachRow(rows, [
      set(group, groupAt(rows, groups, isSingle)),
      set(bytes, call(need, get(batch), get(rows.row))),
      set(partition, call(functions.partitionAddress, get(store), i64.load(get(group)))),
      ifElse(get(bytes), brIf(2, i32.eqz(call(functions.heapRoom, get(store), get(partition), get(bytes))))),
      call(update, get(batch), get(rows.row), get(group), get(partition), ordinal),
    ]),
    get(rows.position),
  )
  return body.index
}

/** The operand as a field, whose null string needs no bytes. */
function stringSource({ column: operand, type, nullable }: AggregatePlan): SourceField {
  const field: RowField = { name: '', type, offset: 0, nullOffset: nullable ? 0 : undefined, role: 'state' }
  return { column: operand ?? 0, field, isKey: false, nullWords: zeroWords(type) }
}

/** (batch, row, group, partition, ordinal): the strings of a row into the states. */
function addStringRow(module: GroupModule, aggregates: readonly AggregatePlan[]): number {
  return addColumnLoop(module.builder, {
    params: ['i32', 'i32', 'i32', 'i32', 'i64'],
    result: 'nothing',
    columns: aggregates,
    classOf,
    placesOf: placesOfAggregate,
    code: ({ body, column: aggregate, shared, places }) => {
      const [, row, group, partition, ordinal] = shared as [number, number, number, number, number]
      const loaded = openColumnOperand(body, aggregate, places[0] as number, row)
      const code: AggregateCode = {
        viewCompare: module.kernels.viewCompare,
        replaceView: (target, source) => call(module.store.replaceString, get(partition), target, source),
        low: body.local('i64'),
      }
      const place = placeAt(aggregate, group, places.slice(1))
      return [loaded.open, loaded.load, updateState(aggregate, place, loaded.operand, get(ordinal), code)]
    },
  })
}

/** A column of the output. */
type FinalColumn = { readonly key: KeyPlan } | { readonly aggregate: AggregatePlan; readonly site: number }

/** Exports emit. */
export function addWideEmit({ builder, plan }: GroupModule): void {
  const columns: FinalColumn[] = [
    ...plan.keys.map((key) => ({ key })),
    ...plan.aggregates.map((aggregate, site) => ({ aggregate, site })),
  ]
  const columnsOf = {
    columns,
    classOf: (each: FinalColumn) =>
      'key' in each
        ? `${typeName(each.key.type)}${each.key.field.nullOffset === undefined ? '' : '?'}`
        : `aggregate ${classOf(each.aggregate)}`,
    placesOf: (each: FinalColumn): readonly number[] =>
      'key' in each
        ? [each.key.field.offset, each.key.field.nullOffset ?? 0]
        : [...placesOfState(each.aggregate), each.site],
    source: (each: FinalColumn, gather: Parameters<Parameters<typeof addWideGather<FinalColumn>>[2]['source']>[1]) => {
      const { body, row, places } = gather
      const at = (index: number): Code => i32.add(get(row), get(places[index] as number))
      if ('key' in each) {
        const { type, nullOffset } = each.key.field
        const valid = nullOffset === undefined ? undefined : i32.load8U(at(1))
        return { type, prepare: [], words: loadWords(type, at(0)), valid }
      }
      const overflow = [writeError(gather, raiseCode.overflow, get(places.at(-1) as number)), ret(i32.const(1))]
      return finalColumn(body, placeAt(each.aggregate, row, places), each.aggregate, overflow)
    },
  }
  addWideGather(builder, 'emit', columnsOf, true)
}
