/**
 * Code over thousands of columns whose size does not grow with them: one function per class of columns that are treated
 * alike (their type, whether they may be null, …), with a loop over the columns of a run, and a driver that calls it
 * for each run.
 *
 *   driver (shared …)  ──▶  class function (shared …, places of the first column …, steps to the next ones …, columns)
 *
 * A run is a sequence of columns of one class whose places (offsets in a descriptor, in a row) each grow by a constant
 * step: thousands of columns of a type are one run. Where types alternate without a pattern every column is a run of
 * its own, and costs the driver a call of some 30 bytes; the driver is cut into functions of `CALLS_MAX` calls, since
 * the engine's compiler takes more than linear time for long functions.
 */
import { unreachable } from '@spillway/stdx'
import {
  block,
  br,
  brIf,
  type Code,
  call,
  i32,
  ifElse,
  local,
  loop,
  ret,
  type ValueType,
} from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'

const { get, set } = local

/** Calls of one function of a driver. */
const CALLS_MAX = 256

/** Adjacent columns of one class. */
export interface ColumnRun<Column> {
  /** The first of them: what the class function is made from. */
  readonly column: Column
  readonly places: readonly number[]
  readonly steps: readonly number[]
  readonly count: number
}

/** Runs of columns by class, classes in the order in which they first appear. */
export function columnRuns<Column>(
  columns: readonly Column[],
  classOf: (column: Column) => string,
  placesOf: (column: Column) => readonly number[],
): ReadonlyMap<string, readonly ColumnRun<Column>[]> {
  const classes = new Map<string, { column: Column; places: readonly number[]; steps: number[]; count: number }[]>()
  for (const column of columns) {
    const key = classOf(column)
    const runs = classes.get(key) ?? []
    classes.set(key, runs)
    const places = placesOf(column)
    const last = runs.at(-1)
    if (last !== undefined && last.count === 1) {
      last.steps = places.map((place, index) => place - (last.places[index] as number))
      last.count = 2
    } else if (last !== undefined && continues(last, places)) last.count += 1
    else runs.push({ column, places, steps: places.map(() => 0), count: 1 })
  }
  return classes
}

function continues(run: Omit<ColumnRun<unknown>, 'column'>, places: readonly number[]): boolean {
  return places.every((place, index) => {
    const [first, step] = [run.places[index] as number, run.steps[index] as number]
    return place === first + step * run.count
  })
}

/**
 * What the functions give back.
 *   nothing   the statements of a column do all there is to do
 *   any       i32: the statements of a column may end everything by `ret(i32.const(1))`; else 0
 *   sum       i32: each column adds an i32 to local `total`
 *   hash      i64: the functions' last shared parameter, which each column changes
 */
export type LoopResult = 'nothing' | 'any' | 'sum' | 'hash'

/** What the code of a class is given; everything is locals of its function. */
export interface ColumnCode<Column> {
  readonly body: FunctionBuilder
  /** A column of the class, of which only what makes the class may be used. */
  readonly column: Column
  /** Parameters that all columns share. */
  readonly shared: readonly number[]
  /** The places of the present column. */
  readonly places: readonly number[]
  /** Of results of kind `sum`. */
  readonly total: number
}

export interface ColumnLoop<Column> {
  readonly params: readonly ValueType[]
  readonly result: LoopResult
  readonly columns: readonly Column[]
  readonly classOf: (column: Column) => string
  readonly placesOf: (column: Column) => readonly number[]
  /** Statements for one column. */
  readonly code: (at: ColumnCode<Column>) => Code
}

/** Adds the functions of a loop. Returns the driver, a function of `params`. */
export function addColumnLoop<Column>(builder: ModuleBuilder, each: ColumnLoop<Column>): number {
  const calls: ((operands: readonly Code[]) => Code)[] = []
  for (const runs of columnRuns(each.columns, each.classOf, each.placesOf).values()) {
    const [first] = runs
    if (first === undefined) continue
    const index = addClassFunction(builder, each, first.column)
    for (const { places, steps, count } of runs) {
      const constants = [...places, ...steps, count].map(i32.const)
      calls.push((operands) => call(index, ...operands, ...constants))
    }
  }
  return addDriver(builder, each, calls)
}

const resultsOf = (result: LoopResult): readonly ValueType[] => {
  if (result === 'nothing') return []
  return [result === 'hash' ? 'i64' : 'i32']
}

function addClassFunction<Column>(builder: ModuleBuilder, each: ColumnLoop<Column>, column: Column): number {
  const { params, result } = each
  const width = each.placesOf(column).length
  const constants = Array.from({ length: 2 * width + 1 }, (): ValueType => 'i32')
  const body = builder.addFunction({ params: [...params, ...constants], results: resultsOf(result) })
  const places = Array.from({ length: width }, (_, index) => params.length + index)
  const left = params.length + 2 * width
  const total = result === 'sum' ? body.local('i32') : 0
  const shared = params.map((_, index) => index)
  const statements = each.code({ body, column, shared, places, total })
  body.emit(
    block(
      loop([
        brIf(1, i32.eqz(get(left))),
        statements,
        places.map((place) => set(place, i32.add(get(place), get(place + width)))),
        set(left, i32.sub(get(left), i32.const(1))),
        br(0),
      ]),
    ),
    endOf(result, params.length - 1, total),
  )
  return body.index
}

function endOf(result: LoopResult, hash: number, total: number): Code {
  if (result === 'nothing') return []
  if (result === 'any') return i32.const(0)
  return get(result === 'hash' ? hash : total)
}

/** Functions of at most `CALLS_MAX` calls, and functions that call those. */
function addDriver(
  builder: ModuleBuilder,
  { params, result }: Pick<ColumnLoop<unknown>, 'params' | 'result'>,
  calls: readonly ((operands: readonly Code[]) => Code)[],
): number {
  const operands = params.map((_, index) => get(index))
  const addOne = (some: typeof calls): number => {
    const body = builder.addFunction({ params, results: resultsOf(result) })
    const total = result === 'sum' ? body.local('i32') : 0
    for (const each of some) body.emit(callStatement(result, each(operands), params.length - 1, total))
    body.emit(endOf(result, params.length - 1, total))
    return body.index
  }
  if (calls.length <= CALLS_MAX) return addOne(calls)
  const parts: (typeof calls)[number][] = []
  for (let start = 0; start < calls.length; start += CALLS_MAX) {
    const part = addOne(calls.slice(start, start + CALLS_MAX))
    parts.push((all) => call(part, ...all))
  }
  return addDriver(builder, { params, result }, parts)
}

function callStatement(result: LoopResult, called: Code, hash: number, total: number): Code {
  switch (result) {
    case 'nothing':
      return called
    case 'any':
      return ifElse(called, ret(i32.const(1)))
    case 'sum':
      return set(total, i32.add(get(total), called))
    case 'hash':
      return set(hash, called)
    default:
      return unreachable(result)
  }
}
