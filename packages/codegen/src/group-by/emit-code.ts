/**
 * emit: from the rows of groups to the final columns; sums are checked here, once.
 */
import { type DataType, isUnsignedInteger, raiseCode } from '@spillway/columnar'
import {
  fieldColumn,
  type GatheredColumn,
  gatherColumns,
  openGather,
  writeError,
  writeHeader,
} from '../rows/gather-code.ts'
import type { RowField } from '../rows/row-layout.ts'
import { type Code, f64, i32, i64, ifElse, ifValue, local, ret } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import { memoryPlace, type Place } from './aggregate-code.ts'
import type { GroupModule } from './find-code.ts'
import type { AggregatePlan } from './group-by-plan.ts'

const { get, set } = local

/** First value beyond 38 digits, in two words. */
const DECIMAL_END = 10n ** 38n

/** Exports emit. */
export function addEmit(module: GroupModule): void {
  const body = module.builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'emit')
  const gather = openGather(body)
  const { keys, aggregates } = module.plan
  body.emit(
    writeHeader(gather),
    gatherColumns(gather, [
      ...keys.map((key) => fieldColumn(key.field, gather.row)),
      ...aggregates.map((aggregate, index) => {
        const overflow = [writeError(gather, raiseCode.overflow, i32.const(index)), ret(i32.const(1))]
        return finalColumn(body, memoryPlace(gather.row), aggregate, overflow)
      }),
    ]),
    i32.const(0),
  )
}

/**
 * What an aggregate gives in the end, from the state at `place`.
 * @param overflow statements that leave the function when a sum does not fit
 */
export function finalColumn(
  body: FunctionBuilder,
  place: Place,
  aggregate: AggregatePlan,
  overflow: Code,
): GatheredColumn {
  const { value, count, outputType: type } = aggregate
  if (value === undefined) {
    // count, len, nUnique
    return { type, prepare: [], words: count === undefined ? [] : place.load(count), valid: undefined }
  }
  if (aggregate.function === 'sum') return finalSum(place, aggregate, value, overflow)
  if (aggregate.function === 'mean' && count !== undefined) return finalMean(body, place, aggregate, value, count)
  const valid = value.nullOffset === undefined ? undefined : place.loadFlag(value)
  return { type: value.type, prepare: [], words: place.load(value), valid }
}

function finalSum(place: Place, aggregate: AggregatePlan, value: RowField, overflow: Code): GatheredColumn {
  const { outputType } = aggregate
  const words = place.load(value)
  const [low, high] = words
  if (low === undefined || high === undefined) return { type: outputType, prepare: [], words, valid: undefined }
  const check = ifElse(isTooLarge(outputType, low, high), overflow)
  return { type: outputType, prepare: check, words: outputType.kind === 'decimal' ? words : [low], valid: undefined }
}

/** Whether a 128-bit sum does not fit its result type. */
function isTooLarge(type: DataType, low: Code, high: Code): Code {
  if (type.kind === 'decimal') {
    const beyond = notBelow(low, high, DECIMAL_END)
    return i32.or(beyond, i32.eqz(notBelow(low, high, 1n - DECIMAL_END)))
  }
  if (isUnsignedInteger(type)) return i64.ne(high, i64.const(0n))
  return i64.ne(high, i64.shrS(low, i64.const(63n)))
}

/** { low, high } ≥ bound, signed. */
function notBelow(low: Code, high: Code, bound: bigint): Code {
  const boundHigh = i64.const(bound >> 64n)
  const boundLow = i64.const(BigInt.asUintN(64, bound))
  return i32.or(i64.gtS(high, boundHigh), i32.and(i64.eq(high, boundHigh), i64.geU(low, boundLow)))
}

function finalMean(
  body: FunctionBuilder,
  place: Place,
  aggregate: AggregatePlan,
  value: RowField,
  count: RowField,
): GatheredColumn {
  const rows = body.local('i64')
  const [low = [], high] = place.load(value)
  const total = value.type.kind === 'float64' ? low : high === undefined ? f64.convertI64S(low) : wideToFloat(low, high)
  const scale = aggregate.type.kind === 'decimal' ? aggregate.type.scale : 0
  const divisor = scale === 0 ? f64.convertI64S(get(rows)) : f64.mul(f64.convertI64S(get(rows)), f64.const(10 ** scale))
  return {
    type: aggregate.outputType,
    prepare: set(rows, place.load(count)[0] ?? []),
    words: [ifValue('f64', i64.eqz(get(rows)), f64.const(0), f64.div(total, divisor))],
    valid: i64.ne(get(rows), i64.const(0n)),
  }
}

/** A 128-bit integer as float64: exact conversion when it fits 64 bits. */
function wideToFloat(low: Code, high: Code): Code {
  const fits = i64.eq(high, i64.shrS(low, i64.const(63n)))
  const both = f64.add(f64.mul(f64.convertI64S(high), f64.const(2 ** 64)), f64.convertI64U(low))
  return ifValue('f64', fits, f64.convertI64S(low), both)
}
