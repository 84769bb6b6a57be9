/**
 * Rows into the dense columns of an output batch, as gather-code.ts does it, by loops over runs of columns.
 */
import { COLUMN_BYTES, column, DESCRIPTOR_HEADER_BYTES, typeName } from '@spillway/columnar'
import { elementAddress, loadWords, storeWords } from '../expr/load-value.ts'
import { block, br, brIf, type Code, call, i32, ifElse, ifValue, local, loop, ret } from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import { columnEntry } from './batch-code.ts'
import { addColumnLoop } from './column-loop.ts'
import { BLOCK_ROWS, type GatheredColumn, openGather, writeHeader } from './gather-code.ts'
import type { RowField } from './row-layout.ts'

const { get, set } = local

/** What the code of one output column may use: locals. */
export interface WideGather {
  readonly body: FunctionBuilder
  readonly row: number
  readonly index: number
  readonly outBatch: number
  /** Places of the column, as `placesOf` gave them. */
  readonly places: readonly number[]
}

interface WideColumns<Column> {
  /** In the order of the output. */
  readonly columns: readonly Column[]
  readonly classOf: (column: Column) => string
  readonly placesOf: (column: Column) => readonly number[]
  readonly source: (column: Column, gather: WideGather) => GatheredColumn
}

/** Exports (rows, n, outBatch), which returns 1 when a column's `prepare` did, if it has a result at all. */
export function addWideGather<Column>(
  builder: ModuleBuilder,
  name: string,
  wide: WideColumns<Column>,
  hasResult = false,
): void {
  const each = addGatherLoop(builder, wide)
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: hasResult ? ['i32'] : [] }, name)
  const gather = openGather(body)
  const { rows, count, outBatch, from, to } = gather
  const entry = body.local('i32')
  const forEachEntry = (statements: Code): Code => [
    set(entry, i32.add(get(outBatch), i32.const(DESCRIPTOR_HEADER_BYTES))),
    block(
      loop([
        brIf(1, i32.eq(get(entry), i32.add(get(outBatch), i32.const(columnEntry(wide.columns.length))))),
        statements,
        set(entry, i32.add(get(entry), i32.const(COLUMN_BYTES))),
        br(0),
      ]),
    ),
  ]
  const buffers = i32.load(get(entry), column.buffers)
  const validity = ifValue('i32', i32.load(get(entry), column.nullCount), i32.load(buffers, 4), i32.const(0))
  const called = call(each, get(rows), get(outBatch), get(from), get(to))
  body.emit(
    writeHeader(gather),
    forEachEntry(i32.store(get(entry), i32.const(0), column.nullCount)),
    set(from, i32.const(0)),
    block(
      loop([
        brIf(1, i32.geU(get(from), get(count))),
        set(to, i32.add(get(from), i32.const(BLOCK_ROWS))),
        ifElse(i32.gtU(get(to), get(count)), set(to, get(count))),
        ifElse(called, ret(hasResult ? i32.const(1) : [])),
        set(from, get(to)),
        br(0),
      ]),
    ),
    forEachEntry([
      i32.store(get(entry), i32.load(buffers), column.values),
      i32.store(get(entry), validity, column.validity),
    ]),
    hasResult ? i32.const(0) : [],
  )
}

/** (rows, outBatch, from, to) → 1 when a column's `prepare` left. */
function addGatherLoop<Column>(builder: ModuleBuilder, wide: WideColumns<Column>): number {
  const { columns, classOf, placesOf, source } = wide
  return addColumnLoop(builder, {
    params: ['i32', 'i32', 'i32', 'i32'],
    result: 'any',
    columns: columns.map((own, position) => ({ own, position })),
    classOf: ({ own }) => classOf(own),
    placesOf: ({ own, position }) => [columnEntry(position), ...placesOf(own)],
    code: ({ body, column: { own }, shared, places }) => {
      const [rows, outBatch, from, to] = shared as [number, number, number, number]
      const [row, index, entry] = [body.local('i32'), body.local('i32'), body.local('i32')]
      const [values, validity, nulls] = [body.local('i32'), body.local('i32'), body.local('i32')]
      const flag = body.local('i32')
      const gathered = source(own, { body, row, index, outBatch, places: places.slice(1) })
      const buffers = i32.load(get(entry), column.buffers)
      const noteValidity =
        gathered.valid === undefined
          ? []
          : [
              set(flag, gathered.valid),
              i32.store8(i32.add(get(validity), get(index)), get(flag)),
              set(nulls, i32.sub(i32.add(get(nulls), i32.const(1)), get(flag))),
            ]
      return [
        set(entry, i32.add(get(outBatch), get(places[0] as number))),
        set(values, i32.load(buffers)),
        set(validity, i32.load(buffers, 4)),
        set(nulls, i32.load(get(entry), column.nullCount)),
        set(index, get(from)),
        block(
          loop([
            brIf(1, i32.geU(get(index), get(to))),
            set(row, i32.load(i32.add(get(rows), i32.shl(get(index), i32.const(2))))),
            gathered.prepare,
            storeWords(gathered.type, elementAddress(gathered.type, get(values), get(index)), gathered.words),
            noteValidity,
            set(index, i32.add(get(index), i32.const(1))),
            br(0),
          ]),
        ),
        i32.store(get(entry), get(nulls), column.nullCount),
      ]
    },
  })
}

/** Exports (rows, n, outBatch): these fields as columns. */
export function addWideFieldGather(builder: ModuleBuilder, name: string, fields: readonly RowField[]): void {
  addWideGather(builder, name, {
    columns: fields,
    classOf: ({ type, nullOffset }) => `${typeName(type)}${nullOffset === undefined ? '' : '?'}`,
    placesOf: ({ offset, nullOffset }) => [offset, nullOffset ?? 0],
    source: ({ type, nullOffset }, { row, places }) => ({
      type,
      prepare: [],
      words: loadWords(type, i32.add(get(row), get(places[0] as number))),
      valid: nullOffset === undefined ? undefined : i32.load8U(i32.add(get(row), get(places[1] as number))),
    }),
  })
}
