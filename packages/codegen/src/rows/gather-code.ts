/**
 * Code that turns rows (u32 addresses) into dense columns of an output batch: a loop per column over a block of rows at
 * a time, so that rows which lie anywhere in memory are missed in the cache once, not once per column.
 */
import { column, type DataType, descriptor } from '@spillway/columnar'
import { elementAddress, loadWords, storeWords } from '../expr/load-value.ts'
import { block, br, brIf, type Code, i32, ifElse, ifValue, local, loop } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'
import { columnEntry } from './batch-code.ts'
import type { RowField } from './row-layout.ts'

const { get, set } = local

/** Rows of a block: their lines stay in the first level of the cache, their pages in the address translation's. */
export const BLOCK_ROWS = 128

/** Locals of a gathering function. */
export interface Gather {
  readonly rows: number
  readonly count: number
  readonly outBatch: number
  /** The row that is read, and its index. */
  readonly row: number
  readonly index: number
  /** The block: its first row, and the one behind its last. */
  readonly from: number
  readonly to: number
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
  const next = (): number => body.local('i32')
  const block = { row: next(), index: next(), from: next(), to: next() }
  return { rows: 0, count: 1, outBatch: 2, ...block, values: next(), validity: next(), nulls: next(), flag: next() }
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

/** Statements: writes the columns of the output batch, in order. A `prepare` may return from the function. */
export function gatherColumns(gather: Gather, sources: readonly GatheredColumn[]): Code {
  const { count, outBatch, from, to, nulls } = gather
  const entryOf = (position: number, field: number): number => columnEntry(position) + field
  return [
    sources.map((_, position) => i32.store(get(outBatch), i32.const(0), entryOf(position, column.nullCount))),
    set(from, i32.const(0)),
    block(
      loop([
        brIf(1, i32.geU(get(from), get(count))),
        set(to, i32.add(get(from), i32.const(BLOCK_ROWS))),
        ifElse(i32.gtU(get(to), get(count)), set(to, get(count))),
        sources.map((source, position) => [
          set(nulls, i32.load(get(outBatch), entryOf(position, column.nullCount))),
          gatherBlock(gather, position, source),
          i32.store(get(outBatch), get(nulls), entryOf(position, column.nullCount)),
        ]),
        set(from, get(to)),
        br(0),
      ]),
    ),
    sources.map((_, position): Code => {
      const buffers = i32.load(get(outBatch), entryOf(position, column.buffers))
      const hasNulls = i32.load(get(outBatch), entryOf(position, column.nullCount))
      return [
        i32.store(get(outBatch), i32.load(buffers), entryOf(position, column.values)),
        i32.store(
          get(outBatch),
          ifValue('i32', hasNulls, i32.load(buffers, 4), i32.const(0)),
          entryOf(position, column.validity),
        ),
      ]
    }),
  ]
}

function gatherBlock(gather: Gather, position: number, source: GatheredColumn): Code {
  const { rows, outBatch, row, index, from, to, values, validity, nulls, flag } = gather
  const buffers = i32.load(get(outBatch), columnEntry(position) + column.buffers)
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
    set(index, get(from)),
    block(
      loop([
        brIf(1, i32.geU(get(index), get(to))),
        set(row, i32.load(i32.add(get(rows), i32.shl(get(index), i32.const(2))))),
        source.prepare,
        storeWords(source.type, target, source.words),
        noteValidity,
        set(index, i32.add(get(index), i32.const(1))),
        br(0),
      ]),
    ),
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
export function writeError(gather: Pick<Gather, 'outBatch' | 'index'>, code: number, site: Code): Code {
  const { outBatch, index } = gather
  return [
    i32.store(get(outBatch), i32.const(code), descriptor.errorCode),
    i32.store(get(outBatch), get(index), descriptor.errorRow),
    i32.store(get(outBatch), site, descriptor.errorSite),
  ]
}
