/**
 * Aggregates as code: the identity of each state, how an operand is added to it, how two states merge.
 *
 * The code is written against a place, where states lie: a row in memory, or locals that stand for a row during a loop.
 */
import { type DataType, isFloat, isUnsignedInteger, physicalOf } from '@spillway/columnar'
import { assert, unreachable } from '@spillway/stdx'
import { compareIntegers, loadWords, storeWords, wordTypes, zeroWords } from '../expr/load-value.ts'
import type { RowField } from '../rows/row-layout.ts'
import {
  type Code,
  call,
  f32,
  f64,
  i32,
  i64,
  ifElse,
  ifValue,
  local,
  select,
  type ValueType,
} from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import type { AggregatePlan } from './group-by-plan.ts'

const { get, set } = local

/** Where the states of one group lie. */
export interface Place {
  /** Words of a field. */
  readonly load: (field: RowField) => readonly Code[]
  /** Statement. The words are evaluated in order, each once. */
  readonly store: (field: RowField, words: readonly Code[]) => Code
  readonly loadFlag: (field: RowField) => Code
  readonly storeFlag: (field: RowField, flag: Code) => Code
  /** Address of a field; strings always lie in memory. */
  readonly address: (field: RowField) => Code
}

const flagOffset = (field: RowField): number => {
  assert(field.nullOffset !== undefined, 'the field of a minimum, maximum, first or last value has a null flag')
  return field.nullOffset
}

/** The states of the row whose address is in local `row`. */
export function memoryPlace(row: number): Place {
  return {
    load: (field) => loadWords(field.type, get(row), field.offset),
    store: (field, words) => storeWords(field.type, get(row), words, field.offset),
    loadFlag: (field) => i32.load8U(get(row), flagOffset(field)),
    storeFlag: (field, flag) => i32.store8(get(row), flag, flagOffset(field)),
    address: (field) => i32.add(get(row), i32.const(field.offset)),
  }
}

/** Locals that stand for the states of the row at `row`, with the code that fills them and writes them back. */
export function localPlace(body: FunctionBuilder, row: number, fields: readonly RowField[]) {
  const behind = memoryPlace(row)
  const words = new Map<RowField, readonly number[]>()
  const flags = new Map<RowField, number>()
  for (const field of fields) {
    if (physicalOf(field.type) === 'view') continue
    words.set(
      field,
      wordTypes(field.type).map((type) => body.local(type)),
    )
    if (field.nullOffset !== undefined) flags.set(field, body.local('i32'))
  }
  const place: Place = {
    load: (field) => words.get(field)?.map(get) ?? behind.load(field),
    store: (field, values) =>
      words.get(field)?.map((word, part) => set(word, values[part] ?? [])) ?? behind.store(field, values),
    loadFlag: (field) => {
      const flag = flags.get(field)
      return flag === undefined ? behind.loadFlag(field) : get(flag)
    },
    storeFlag: (field, value) => {
      const flag = flags.get(field)
      return flag === undefined ? behind.storeFlag(field, value) : set(flag, value)
    },
    address: behind.address,
  }
  const fill = [...words.keys()].map((field) => [
    place.store(field, behind.load(field)),
    field.nullOffset === undefined ? [] : place.storeFlag(field, behind.loadFlag(field)),
  ])
  const flush = [...words.keys()].map((field) => [
    behind.store(field, place.load(field)),
    field.nullOffset === undefined ? [] : behind.storeFlag(field, place.loadFlag(field)),
  ])
  return { place, fill, flush }
}

/** An operand: its words in locals, a flag if it may be null, and the address of its view if it is a string. */
export interface Operand {
  readonly type: DataType
  readonly words: readonly number[]
  readonly valid: number | undefined
  readonly view: Code
}

/** What update and merge code needs beside places. */
export interface AggregateCode {
  readonly viewCompare: number
  /** Statement that replaces the string at `target` (address) by the view at `source`. */
  readonly replaceView: (target: Code, source: Code) => Code
  /** Scratch local, i64. */
  readonly low: number
}

/** Statements: the identity states of the row at `row`. */
export function initialStates(aggregates: readonly AggregatePlan[], row: number): Code {
  const place = memoryPlace(row)
  return aggregates.map((aggregate) => initialState(aggregate, place))
}

/** Statements: the identity state of one aggregate. */
export function initialState(aggregate: AggregatePlan, place: Place): Code {
  return [
    aggregate.value === undefined ? [] : place.store(aggregate.value, identityWords(aggregate)),
    aggregate.value?.nullOffset === undefined ? [] : place.storeFlag(aggregate.value, i32.const(0)),
    aggregate.count === undefined ? [] : place.store(aggregate.count, [i64.const(0n)]),
    aggregate.ordinal === undefined
      ? []
      : place.store(aggregate.ordinal, [i64.const(aggregate.function === 'first' ? -1n : 0n)]),
  ]
}

/** What the value of a state holds while nothing was seen. */
export function identityWords({ function: name, type, value }: AggregatePlan): readonly Code[] {
  if (name === 'min' || name === 'max') return extremeIdentity(type, name === 'min')
  return value === undefined ? [] : zeroWords(value.type)
}

/** What a nullable field of a row holds while it is null. */
export function nullWordsOf(aggregates: readonly AggregatePlan[], field: RowField): readonly Code[] {
  const owner = aggregates.find((aggregate) => aggregate.value === field)
  return owner === undefined ? zeroWords(field.type) : identityWords(owner)
}

/** The value that any other one replaces; for two-word types the null flag decides instead. */
function extremeIdentity(type: DataType, isMin: boolean): readonly Code[] {
  const physical = physicalOf(type)
  const unsigned = isUnsignedInteger(type)
  switch (physical) {
    case 'i8':
    case 'i16':
    case 'i32': {
      if (type.kind === 'boolean' || type.kind === 'null') return [i32.const(isMin ? 1 : 0)]
      const bits = Number(physical.slice(1))
      if (unsigned) return [i32.const(isMin ? 2 ** bits - 1 : 0)]
      return [i32.const(isMin ? 2 ** (bits - 1) - 1 : -(2 ** (bits - 1)))]
    }
    case 'i64':
      if (unsigned) return [i64.const(isMin ? -1n : 0n)]
      return [i64.const(isMin ? 2n ** 63n - 1n : -(2n ** 63n))]
    case 'f32':
      return [f32.const(isMin ? Number.NaN : Number.NEGATIVE_INFINITY)]
    case 'f64':
      return [f64.const(isMin ? Number.NaN : Number.NEGATIVE_INFINITY)]
    case 'i128':
    case 'view':
      return [i64.const(0n), i64.const(0n)]
    default:
      return unreachable(physical)
  }
}

/**
 * Statements: adds one row to the state.
 * @param ordinal i64 code: the row's ordinal; used by first and last only
 */
export function updateState(
  aggregate: AggregatePlan,
  place: Place,
  operand: Operand | undefined,
  ordinal: Code,
  code: AggregateCode,
): Code {
  const { value, count } = aggregate
  switch (aggregate.function) {
    case 'len':
    case 'nUnique':
      return count === undefined ? [] : addCount(place, count, i64.const(1n))
    case 'count': {
      const one = operand?.valid === undefined ? i64.const(1n) : i64.extendI32U(get(operand.valid))
      return count === undefined ? [] : addCount(place, count, one)
    }
    case 'sum':
    case 'mean':
      if (operand === undefined || value === undefined) return []
      return whenValid(operand, [
        addToSum(place, value, operand, code),
        count === undefined ? [] : addCount(place, count, i64.const(1n)),
      ])
    case 'min':
    case 'max':
      if (operand === undefined || value === undefined) return []
      return whenValid(operand, keepExtreme(place, value, operand, aggregate.function === 'min', code))
    case 'first':
    case 'last':
      return operand === undefined ? [] : keepByOrdinal(aggregate, place, operand, ordinal, code)
    default:
      return unreachable(aggregate.function)
  }
}

const whenValid = (operand: Operand, statements: Code): Code =>
  operand.valid === undefined ? statements : ifElse(get(operand.valid), statements)

const addCount = (place: Place, field: RowField, amount: Code): Code =>
  place.store(field, [i64.add(place.load(field)[0] ?? [], amount)])

/** Adds to an int64, float64 or 128-bit accumulator. */
function addToSum(place: Place, field: RowField, operand: Operand, code: AggregateCode): Code {
  const [low = [], high = []] = place.load(field)
  const word = get(operand.words[0] ?? 0)
  const physical = physicalOf(operand.type)
  if (field.type.kind === 'float64')
    return place.store(field, [f64.add(low, physical === 'f32' ? f64.promoteF32(word) : word)])
  if (field.type.kind === 'int64') return place.store(field, [i64.add(low, widen(operand.type, word))])
  const unsigned = operand.type.kind === 'uint64'
  const signWord = unsigned ? i64.const(0n) : i64.shrS(word, i64.const(63n))
  const operandHigh = physical === 'i128' ? get(operand.words[1] ?? 0) : signWord
  const carry = i64.extendI32U(i64.ltU(get(code.low), word))
  return [
    set(code.low, i64.add(low, word)),
    place.store(field, [get(code.low), i64.add(high, i64.add(operandHigh, carry))]),
  ]
}

/** A word of an integer type as i64. Narrower words than 32 bits are extended already, 32 bits have no sign. */
function widen(type: DataType, word: Code): Code {
  if (physicalOf(type) === 'i64') return word
  return isUnsignedInteger(type) || type.kind === 'boolean' ? i64.extendI32U(word) : i64.extendI32S(word)
}

/** Statements: replaces the minimum or maximum in `field` by the operand if that is better. */
export function keepExtreme(
  place: Place,
  field: RowField,
  operand: Operand,
  isMin: boolean,
  code: AggregateCode,
): Code {
  const type = field.type
  const current = place.load(field)
  const seen = place.storeFlag(field, i32.const(1))
  const physical = physicalOf(type)
  if (physical === 'view') {
    const order = call(code.viewCompare, operand.view, place.address(field))
    const better = isMin ? i32.ltS(order, i32.const(0)) : i32.gtS(order, i32.const(0))
    const replace = [code.replaceView(place.address(field), operand.view), seen]
    return ifElse(ifValue('i32', place.loadFlag(field), better, i32.const(1)), replace)
  }
  if (physical === 'i128') {
    const other = get(operand.words[0] ?? 0)
    const otherHigh = get(operand.words[1] ?? 0)
    const [low = [], high = []] = current
    const below = (aLow: Code, aHigh: Code, bLow: Code, bHigh: Code): Code =>
      i32.or(i64.ltS(aHigh, bHigh), i32.and(i64.eq(aHigh, bHigh), i64.ltU(aLow, bLow)))
    const better = isMin ? below(other, otherHigh, low, high) : below(low, high, other, otherHigh)
    const unseen = i32.eqz(place.loadFlag(field))
    return ifElse(i32.or(unseen, better), [place.store(field, [other, otherHigh]), seen])
  }
  const word = get(operand.words[0] ?? 0)
  const now = current[0] ?? []
  return [place.store(field, [select(word, now, isBetter(type, word, now, isMin))]), seen]
}

/** Whether `word` replaces `now`: NaN is greater than all, and the identity of a float minimum. */
function isBetter(type: DataType, word: Code, now: Code, isMin: boolean): Code {
  const physical = physicalOf(type)
  if (isFloat(type)) {
    const family = physical === 'f32' ? f32 : f64
    if (isMin) return i32.or(family.lt(word, now), family.ne(now, now))
    return i32.or(family.gt(word, now), family.ne(word, word))
  }
  const unsigned = isUnsignedInteger(type) || type.kind === 'boolean'
  return compareIntegers(physical === 'i64' ? 'i64' : 'i32', unsigned, isMin ? 'lt' : 'gt', word, now)
}

function keepByOrdinal(
  aggregate: AggregatePlan,
  place: Place,
  operand: Operand,
  ordinal: Code,
  code: AggregateCode,
): Code {
  const { value, ordinal: field } = aggregate
  if (value === undefined || field === undefined) return []
  const isFirst = aggregate.function === 'first'
  // `last` keeps ordinal + 1, so that 0 means that nothing was seen.
  const own = isFirst ? ordinal : i64.add(ordinal, i64.const(1n))
  return keepNewer(aggregate, value, field, place, operand, own, code)
}

/** Replaces value and ordinal if `own` (as stored) is earlier (first) or later (last). */
function keepNewer(
  aggregate: AggregatePlan,
  value: RowField,
  field: RowField,
  place: Place,
  operand: Operand,
  own: Code,
  code: AggregateCode,
): Code {
  const now = place.load(field)[0] ?? []
  const better = aggregate.function === 'first' ? i64.ltU(own, now) : i64.gtU(own, now)
  const isView = physicalOf(value.type) === 'view'
  const copy = isView
    ? code.replaceView(place.address(value), operand.view)
    : place.store(value, operand.words.map(get))
  // A null string must not own heap bytes.
  const clear = isView ? place.store(value, [i64.const(0n), i64.const(0n)]) : []
  return ifElse(better, [
    place.store(field, [own]),
    place.storeFlag(value, operand.valid === undefined ? i32.const(1) : get(operand.valid)),
    operand.valid === undefined ? copy : ifElse(get(operand.valid), copy, clear),
  ])
}

/** Statements: merges the states of row `source` into those of row `target`. Strings are shared, not copied. */
export function mergeRows(
  aggregates: readonly AggregatePlan[],
  body: FunctionBuilder,
  code: AggregateCode,
  target: number,
  source: number,
): Code {
  const [to, from] = [memoryPlace(target), memoryPlace(source)]
  return aggregates.map((aggregate) => mergeState(aggregate, body, code, to, from))
}

/** Statements: merges one state into another. */
export function mergeState(
  aggregate: AggregatePlan,
  body: FunctionBuilder,
  code: AggregateCode,
  to: Place,
  from: Place,
): Code {
  const { value, count, ordinal } = aggregate
  const addCounts = count === undefined ? [] : addCount(to, count, from.load(count)[0] ?? [])
  if (value === undefined) return addCounts
  const operand = openOperand(body, value.type, value.nullOffset !== undefined, from.address(value))
  const loadOperand = [
    operand.words.map((word, part) => set(word, from.load(value)[part] ?? [])),
    operand.valid === undefined ? [] : set(operand.valid, from.loadFlag(value)),
  ]
  if (ordinal !== undefined) {
    return [loadOperand, keepNewer(aggregate, value, ordinal, to, operand, from.load(ordinal)[0] ?? [], code)]
  }
  if (aggregate.function === 'min' || aggregate.function === 'max') {
    const keep = keepExtreme(to, value, operand, aggregate.function === 'min', code)
    return [loadOperand, whenValid(operand, keep)]
  }
  return [loadOperand, addToSum(to, value, operand, code), addCounts]
}

/** Locals for an operand. */
export function openOperand(body: FunctionBuilder, type: DataType, nullable: boolean, view: Code): Operand {
  return {
    type,
    words: wordTypes(type).map((word: ValueType) => body.local(word)),
    valid: nullable ? body.local('i32') : undefined,
    view,
  }
}
