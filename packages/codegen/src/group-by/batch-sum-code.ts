/**
 * Sums and counts of whole batches by kernels, where there are no keys: the state sees one number per batch.
 *
 * Counts and sums into 128 bits take nulls into account; the others are for operands without nulls.
 */
import { physicalOf } from '@spillway/columnar'
import { type Code, call, f64, i32, i64, ifValue, local } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import { memoryPlace, type Place } from './aggregate-code.ts'
import { type ColumnLocals, openColumn, type RowLoop } from '../rows/batch-code.ts'
import type { GroupModule } from './find-code.ts'
import type { AggregatePlan } from './group-by-plan.ts'

const { get, set } = local

/**
 * Whether a kernel adds a batch to the aggregate's state.
 * @param general some operand of the batch has nulls
 */
export function hasBatchSum(aggregate: AggregatePlan, general: boolean): boolean {
  const { function: name, type, column, nullable } = aggregate
  if (name === 'len' || name === 'count') return true
  if (column === undefined || (name !== 'sum' && name !== 'mean')) return false
  if (isWide(aggregate)) return true
  const isNarrow = type.kind === 'int32' || type.kind === 'uint32' || type.kind === 'float64'
  return isNarrow && !(general && nullable)
}

const isWide = ({ value }: AggregatePlan): boolean => value !== undefined && physicalOf(value.type) === 'i128'

/** Statements of updateSingle0: adds the batch to the states of these aggregates, calling a kernel once per column. */
export function addBatchSums(
  module: GroupModule,
  body: FunctionBuilder,
  aggregates: readonly AggregatePlan[],
  rows: RowLoop,
  general: boolean,
): Code {
  const [batch, group] = [0, 1]
  const place = memoryPlace(group)
  const { kernels } = module
  const columns = new Map<number, ColumnLocals>()
  const sums = new Map<number, number>()
  const counts = new Map<number, number>()
  const columnOf = (index: number): ColumnLocals => {
    const known = columns.get(index) ?? openColumn(body, batch, index)
    columns.set(index, known)
    return known
  }
  /** Statement and value: the rows of the batch in which the operand is not null. */
  const countOf = ({ function: name, column, nullable }: AggregatePlan): [Code, Code] => {
    if (name === 'len' || column === undefined || !(general && nullable)) return [[], i64.extendI32U(get(rows.count))]
    const known = counts.get(column)
    const count = known ?? body.local('i32')
    counts.set(column, count)
    const { validity } = columnOf(column)
    const compute = set(count, call(kernels.countValid, get(validity), get(rows.selection), get(rows.count)))
    return [known === undefined ? compute : [], i64.extendI32U(get(count))]
  }
  const addSum = (aggregate: AggregatePlan): Code => {
    const { column, type, value } = aggregate
    if (column === undefined || value === undefined) return []
    const { values, validity } = columnOf(column)
    if (isWide(aggregate)) {
      const { sumI64, sumU64, sumI128 } = kernels
      const kernel = physicalOf(type) === 'i128' ? sumI128 : type.kind === 'uint64' ? sumU64 : sumI64
      const flags = general && aggregate.nullable ? get(validity) : i32.const(0)
      return call(kernel, get(values), flags, get(rows.selection), get(rows.count), place.address(value))
    }
    const isFloat = type.kind === 'float64'
    const known = sums.get(column)
    const sum = known ?? body.local(isFloat ? 'f64' : 'i64')
    sums.set(column, sum)
    const kernel = isFloat ? kernels.sumF64 : type.kind === 'uint32' ? kernels.sumU32 : kernels.sumI32
    const compute = set(sum, call(kernel, get(values), get(rows.selection), get(rows.count)))
    const before = place.load(value)[0] ?? []
    const after = isFloat ? f64.add(before, get(sum)) : i64.add(before, get(sum))
    return [known === undefined ? compute : [], place.store(value, [after])]
  }
  return aggregates.map((aggregate): Code => {
    const { count } = aggregate
    if (count === undefined) return addSum(aggregate)
    const [compute, counted] = countOf(aggregate)
    return [addSum(aggregate), compute, place.store(count, [i64.add(place.load(count)[0] ?? [], counted)])]
  })
}

/**
 * Statements: adds the batch to the state of one aggregate, by a kernel over its column. Right for every aggregate of
 * which `hasBatchSum(aggregate, nullable)` holds.
 */
export function addBatchSum(
  { kernels }: GroupModule,
  body: FunctionBuilder,
  aggregate: AggregatePlan,
  rows: RowLoop,
  { values, validity }: ColumnLocals,
  place: Place,
): Code {
  const { function: name, type, value, count, nullable } = aggregate
  const every = i64.extendI32U(get(rows.count))
  const valid = call(kernels.countValid, get(validity), get(rows.selection), get(rows.count))
  const hasNulls = name !== 'len' && nullable
  const counted = hasNulls ? ifValue('i64', get(validity), i64.extendI32U(valid), every) : every
  const addCount = count === undefined ? [] : place.store(count, [i64.add(place.load(count)[0] ?? [], counted)])
  if (value === undefined) return addCount
  if (isWide(aggregate)) {
    const { sumI64, sumU64, sumI128 } = kernels
    const kernel = physicalOf(type) === 'i128' ? sumI128 : type.kind === 'uint64' ? sumU64 : sumI64
    const flags = nullable ? get(validity) : i32.const(0)
    const sum = call(kernel, get(values), flags, get(rows.selection), get(rows.count), place.address(value))
    return [sum, addCount]
  }
  const isFloat = type.kind === 'float64'
  const kernel = isFloat ? kernels.sumF64 : type.kind === 'uint32' ? kernels.sumU32 : kernels.sumI32
  const sum = body.local(isFloat ? 'f64' : 'i64')
  const before = place.load(value)[0] ?? []
  const after = isFloat ? f64.add(before, get(sum)) : i64.add(before, get(sum))
  return [
    set(sum, call(kernel, get(values), get(rows.selection), get(rows.count))),
    place.store(value, [after]),
    addCount,
  ]
}
