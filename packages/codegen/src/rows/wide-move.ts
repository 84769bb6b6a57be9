/**
 * Moves raw rows of many fields, as move-code.ts does it for few: transfer and loadRows, by loops over runs of columns.
 */
import { brIf, type Code, call, i32, i64, local, memory } from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import { forEachRow, openColumn, openRowLoop } from './batch-code.ts'
import type { RowField, RowLayout } from './row-layout.ts'
import { localStore, stopReason } from './row-store-layout.ts'
import type { StoreFunctions } from './string-code.ts'
import { addCopyStrings, addRowNeed, addSourceNeed, addWriteFields, type SourceField } from './wide-rows.ts'

const { get, set } = local

/** Adds what `transfer` needs; the result makes its statements for one live row, as `transferRow` does. */
export function wideTransferRow(builder: ModuleBuilder, layout: RowLayout, store: StoreFunctions) {
  const need = addRowNeed(builder, layout.fields)
  const copyStrings = addCopyStrings(builder, store, layout.fields)
  return (
    body: FunctionBuilder,
    at: { readonly store: number; readonly row: number; readonly partition: number },
  ): Code => {
    const target = body.local('i32')
    const bytes = call(need, get(at.row))
    return [
      set(target, call(store.takeRow, get(at.store), get(at.partition), i32.const(layout.rowBytes), bytes)),
      brIf(2, i32.eqz(get(target))),
      memory.copy(get(target), get(at.row), i32.const(layout.rowBytes)),
      call(copyStrings, get(at.partition), get(target)),
    ]
  }
}

/**
 * Exports loadRows.
 * @param nullWords what a field holds while it is null
 */
export function addWideLoadRows(
  builder: ModuleBuilder,
  layout: RowLayout,
  store: StoreFunctions,
  nullWords: (field: RowField) => readonly Code[],
): void {
  const sources = layout.fields.map(
    (field, column): SourceField => ({ column, field, isKey: false, nullWords: nullWords(field) }),
  )
  const need = addSourceNeed(builder, sources)
  const write = addWriteFields(builder, store, sources)
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'loadRows')
  const [batch, storeLocal, start] = [0, 1, 2]
  const rows = openRowLoop(body, batch)
  const hashes = openColumn(body, batch, 0)
  const [partition, target] = [body.local('i32'), body.local('i32')]
  const hash = i64.load(i32.add(get(hashes.values), i32.shl(get(rows.row), i32.const(3))))
  const bytes = call(need, get(batch), get(rows.row))
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(rows.position, get(start)),
    forEachRow(rows, [
      set(partition, call(store.partitionAddress, get(storeLocal), hash)),
      set(target, call(store.takeRow, get(storeLocal), get(partition), i32.const(layout.rowBytes), bytes)),
      brIf(1, i32.eqz(get(target))),
      call(write, get(batch), get(rows.row), get(target), get(partition)),
      i32.store8(i32.add(get(target), i32.const(layout.deadOffset)), i32.const(0)),
    ]),
    get(rows.position),
  )
}
