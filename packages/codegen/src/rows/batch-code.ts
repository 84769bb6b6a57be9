/**
 * Code that reads a batch descriptor and walks its selected rows.
 */
import { COLUMN_BYTES, column, DESCRIPTOR_HEADER_BYTES, descriptor } from '@spillway/columnar'
import { block, brIf, type Code, i32, ifValue, local, loop } from '../wasm/instructions.ts'
import type { FunctionBuilder } from '../wasm/module-builder.ts'

/** Offset of a column entry in a descriptor. */
export const columnEntry = (index: number): number => DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES

/** An input column held in locals: base addresses. */
export interface ColumnLocals {
  readonly values: number
  /** 0 at run time = no nulls. */
  readonly validity: number
}

/** Loads base addresses of a column into new locals. */
export function openColumn(body: FunctionBuilder, batch: number, index: number): ColumnLocals {
  const values = body.local('i32')
  const validity = body.local('i32')
  body.emit(
    local.set(values, i32.load(local.get(batch), columnEntry(index) + column.values)),
    local.set(validity, i32.load(local.get(batch), columnEntry(index) + column.validity)),
  )
  return { values, validity }
}

/** Non-zero if one of the columns has nulls. */
export function anyValidity(batch: number, columns: readonly number[]): Code {
  return columns
    .map((index) => i32.load(local.get(batch), columnEntry(index) + column.validity))
    .reduce((a, b) => i32.or(a, b), i32.const(0))
}

/** The flag of a row: 1 = valid; also right when the column has no validity. */
export function validFlag(columnLocals: ColumnLocals, row: Code): Code {
  const { validity } = columnLocals
  return ifValue('i32', local.get(validity), i32.load8U(i32.add(local.get(validity), row)), i32.const(1))
}

export interface RowLoop {
  /** Local: position among the selected rows. */
  readonly position: number
  /** Local: row index in the columns. */
  readonly row: number
  readonly selection: number
  readonly count: number
}

/** Locals of a loop over selected rows, with selection and count loaded. */
export function openRowLoop(body: FunctionBuilder, batch: number): RowLoop {
  const rows = {
    position: body.local('i32'),
    row: body.local('i32'),
    selection: body.local('i32'),
    count: body.local('i32'),
  }
  body.emit(
    local.set(rows.selection, i32.load(local.get(batch), descriptor.selection)),
    local.set(rows.count, i32.load(local.get(batch), descriptor.selectionCount)),
  )
  return rows
}

/** Row index at the present position. */
export function selectedRow({ position, selection }: RowLoop): Code {
  const listed = i32.load(i32.add(local.get(selection), i32.shl(local.get(position), i32.const(2))))
  return ifValue('i32', local.get(selection), listed, local.get(position))
}

/**
 * Runs `statements` for each position from rows.position up to rows.count. Inside, `br(1)` of the statements' own level
 * leaves the loop (and leaves `position` at the row that was not finished).
 */
export function forEachRow(rows: RowLoop, statements: Code): Code {
  const { position, row, count } = rows
  return block(
    loop([
      brIf(1, i32.geU(local.get(position), local.get(count))),
      local.set(row, selectedRow(rows)),
      statements,
      local.set(position, i32.add(local.get(position), i32.const(1))),
      [0x0c, 0],
    ]),
  )
}
