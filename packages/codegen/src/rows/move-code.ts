/**
 * Functions that move raw rows: transfer (page to store), spillRows (rows to columns), loadRows (columns to rows).
 */
import { physicalOf } from '@spillway/columnar'
import { elementAddress, loadWords, storeWords } from '../expr/load-value.ts'
import { brIf, type Code, call, i32, i64, ifElse, local, memory, select } from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import { forEachRow, openColumn, openRowLoop, validFlag } from './batch-code.ts'
import { fieldColumn, gatherColumns, openGather, writeHeader } from './gather-code.ts'
import type { RowField, RowLayout } from './row-layout.ts'
import { localStore, stopReason } from './row-store-layout.ts'
import { isLong, longLength, type StoreFunctions } from './string-code.ts'

const { get, set } = local

/** Rows up to this size are copied by single loads and stores, larger ones by the engine's bulk copy. */
const UNROLL_BYTES = 128

const isView = (field: RowField): boolean => physicalOf(field.type) === 'view'

const sum = (codes: readonly Code[]): Code =>
  codes.length === 0 ? i32.const(0) : codes.reduce((a, b) => i32.add(a, b))

/** Exports spillRows. */
export function addSpillRows(builder: ModuleBuilder, layout: RowLayout): void {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: [] }, 'spillRows')
  const gather = openGather(body)
  body.emit(
    writeHeader(gather),
    gatherColumns(
      gather,
      layout.fields.map((field) => fieldColumn(field, gather.row)),
    ),
  )
}

/**
 * Exports loadRows.
 * @param nullWords what a field holds while it is null: the columns' bytes of null rows mean nothing
 */
export function addLoadRows(
  builder: ModuleBuilder,
  layout: RowLayout,
  store: StoreFunctions,
  nullWords: (field: RowField) => readonly Code[],
): void {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'loadRows')
  const [batch, storeLocal, start] = [0, 1, 2]
  const rows = openRowLoop(body, batch)
  const columns = layout.fields.map((_, index) => openColumn(body, batch, index))
  const partition = body.local('i32')
  const row = body.local('i32')
  const hash = body.local('i64')
  /** Words of a field in the batch, or its null words. */
  const words = (field: RowField, index: number): readonly Code[] => {
    const source = columns[index]
    if (source === undefined) return []
    const loaded = loadWords(field.type, elementAddress(field.type, get(source.values), get(rows.row)))
    if (field.nullOffset === undefined) return loaded
    const whenNull = nullWords(field)
    return loaded.map((word, part) => select(word, whenNull[part] ?? [], validFlag(source, get(rows.row))))
  }
  const needs = layout.fields.flatMap((field, index): Code[] =>
    isView(field) ? [longLength(words(field, index)[0] ?? [])] : [],
  )
  const fields = layout.fields.map((field, index): Code => {
    const source = columns[index]
    if (source === undefined) return []
    const [first = [], second = []] = words(field, index)
    const value = isView(field)
      ? call(store.copyString, get(partition), i32.add(get(row), i32.const(field.offset)), first, second)
      : storeWords(field.type, get(row), [first, second], field.offset)
    if (field.nullOffset === undefined) return value
    return [value, i32.store8(get(row), validFlag(source, get(rows.row)), field.nullOffset)]
  })
  const taken = call(store.takeRow, get(storeLocal), get(partition), i32.const(layout.rowBytes), sum(needs))
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(rows.position, get(start)),
    forEachRow(rows, [
      set(hash, i64.load(i32.add(get(columns[0]?.values ?? 0), i32.shl(get(rows.row), i32.const(3))))),
      set(partition, call(store.partitionAddress, get(storeLocal), get(hash))),
      set(row, taken),
      brIf(1, i32.eqz(get(row))),
      fields,
      i32.store8(get(row), i32.const(0), layout.deadOffset),
    ]),
    get(rows.position),
  )
}

/**
 * Statements of transfer for one live row at `row`, whose partition in the target store is known. `br(2)` at their
 * level stops.
 */
export function transferRow(
  body: FunctionBuilder,
  layout: RowLayout,
  store: StoreFunctions,
  locals: { readonly store: number; readonly row: number; readonly partition: number },
): Code {
  const { row, partition } = locals
  const target = body.local('i32')
  const views = layout.fields.filter(isView)
  const needs = views.map((field) => longLength(i64.load(get(row), field.offset)))
  const words = Array.from({ length: layout.rowBytes / 8 }, (_, word) =>
    i64.store(get(target), i64.load(get(row), word * 8), word * 8),
  )
  const copy = layout.rowBytes <= UNROLL_BYTES ? words : memory.copy(get(target), get(row), i32.const(layout.rowBytes))
  return [
    set(target, call(store.takeRow, get(locals.store), get(partition), i32.const(layout.rowBytes), sum(needs))),
    brIf(2, i32.eqz(get(target))),
    copy,
    views.map((field) => {
      const first = i64.load(get(row), field.offset)
      const second = i64.load(get(row), field.offset + 8)
      const place = i32.add(get(target), i32.const(field.offset))
      return ifElse(isLong(first), call(store.copyString, get(partition), place, first, second))
    }),
  ]
}
