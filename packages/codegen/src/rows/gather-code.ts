/**
 * Code that turns rows (u32 addresses) into dense columns of an output batch, one loop per column.
 */
import { column, type DataType, descriptor } from '@spillway/columnar'
import { elementAddress, loadWords, storeWords } from '../expr/load-value.ts'
import { block, br, brIf, type Code, i32, ifValue, local, loop } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import { columnEntry } from './batch-code.ts'
import type { RowField } from './row-layout.ts'

const { get, set } = local

/** Locals of a gathering function. */
export interface Gather {
  readonly rows: number
  readonly count: number
  readonly outBatch: number
  /** The row that is read, and its index. */
  readonly row: number
  readonly index: number
  readonly values: number
  readonly validity: number
  readonly nulls: number
  readonly flag: number
}

/** What one output column is made of; codes read the row at local `row`. */
export interface GatheredColumn {
  readonly type: DataType
  /** Statement run first for each row. */
  readonly prepare: Code
  readonly words: readonly Code[]
  /** 1 = valid; undefined = never null. */
  readonly valid: Code | undefined
}

/** Parameters of the function are (rows, n, outBatch). */
export function openGather(body: FunctionBuilder): Gather {
  const [row, index, values, validity, nulls, flag] = Array.from({ length: 6 }, () => body.local('i32')) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return { rows: 0, count: 1, outBatch: 2, row, index, values, validity, nulls, flag }
}

/** A field as it lies in the row. */
export function fieldColumn(field: RowField, row: number): GatheredColumn {
  return {
    type: field.type,
    prepare: [],
    words: loadWords(field.type, get(row), field.offset),
    valid: field.nullOffset === undefined ? undefined : i32.load8U(get(row), field.nullOffset),
  }
}

/** Statements: writes column `position` of the output batch. `br(1)` in `prepare` leaves the loop. */
export function gatherColumn(gather: Gather, position: number, source: GatheredColumn): Code {
  const { rows, count, outBatch, row, index, values, validity, nulls, flag } = gather
  const entry = columnEntry(position)
  const buffers = i32.load(get(outBatch), entry + column.buffers)
  const target = elementAddress(source.type, get(values), get(index))
  const noteValidity =
    source.valid === undefined
      ? []
      : [
          set(flag, source.valid),
          i32.store8(i32.add(get(validity), get(index)), get(flag)),
          set(nulls, i32.sub(i32.add(get(nulls), i32.const(1)), get(flag))),
        ]
  return [
    set(values, i32.load(buffers)),
    set(validity, i32.load(buffers, 4)),
    set(nulls, i32.const(0)),
    set(index, i32.const(0)),
    block(
      loop([
        brIf(1, i32.geU(get(index), get(count))),
        set(row, i32.load(i32.add(get(rows), i32.shl(get(index), i32.const(2))))),
        source.prepare,
        storeWords(source.type, target, source.words),
        noteValidity,
        set(index, i32.add(get(index), i32.const(1))),
        br(0),
      ]),
    ),
    i32.store(get(outBatch), get(values), entry + column.values),
    i32.store(get(outBatch), ifValue('i32', get(nulls), get(validity), i32.const(0)), entry + column.validity),
    i32.store(get(outBatch), get(nulls), entry + column.nullCount),
  ]
}

/** Statements: the header of a dense output batch without error. */
export function writeHeader(gather: Gather): Code {
  const { outBatch, count } = gather
  return [
    i32.store(get(outBatch), get(count), descriptor.rowCount),
    i32.store(get(outBatch), get(count), descriptor.selectionCount),
    i32.store(get(outBatch), i32.const(0), descriptor.selection),
    i32.store(get(outBatch), i32.const(0), descriptor.errorCode),
  ]
}

/** Statement: fills the error slot with the current row. */
export function writeError(gather: Gather, code: number, site: number): Code {
  const { outBatch, index } = gather
  return [
    i32.store(get(outBatch), i32.const(code), descriptor.errorCode),
    i32.store(get(outBatch), get(index), descriptor.errorRow),
    i32.store(get(outBatch), i32.const(site), descriptor.errorSite),
  ]
}
