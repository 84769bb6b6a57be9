/**
 * Columns of a batch whose rows are dictionary codes instead of values: a scan hands them on as the file has them, and
 * whoever can work with codes does (group-by keys); `decodeCodes` makes an ordinary column of one in place.
 *
 * Codes lie at the end of the column's own values buffer: looking them up in ascending order never overwrites a code
 * that is still to be read, so a coded column needs no memory of its own.
 */
import { column, descriptor } from '@spillway/columnar'
import type { KernelExports } from '@spillway/kernels'
import type { Arena } from '@spillway/memory'
import { assert } from '@spillway/stdx'
import { columnAddress, type ColumnBuffers } from './batch-buffers.ts'

/** Bytes of a code. */
export const CODE_BYTES = 2

/** Most combinations of the codes of a batch's coded columns: a map by code should stay in the cache of a core. */
export const CODE_COMBINATIONS_MAX = 1 << 16

export interface CodeDictionary {
  readonly values: number
  readonly count: number
}

/** Whether values of this many bytes can be codes. */
export const canBeCodes = (width: number): boolean => width >= CODE_BYTES

/** Where the code of row 0 stands. @param rows capacity of the buffer */
export const codesAddress = (buffers: ColumnBuffers, width: number, rows: number): number =>
  buffers.values + rows * (width - CODE_BYTES)

export type DecodeKernels = Pick<KernelExports, 'gatherCodes' | 'gatherSelectedCodes'>

let lastId = 0

/** An id that no other dictionary of this worker had (before 2^32 others). */
export function newDictionaryId(): number {
  lastId = (lastId % 0xffffffff) + 1
  return lastId
}

/** Makes a column of `setColumn` one of codes. */
export function setCodes(
  arena: Arena,
  batch: number,
  index: number,
  codes: number,
  dictionary: CodeDictionary,
  id: number,
): void {
  const entry = columnAddress(batch, index)
  arena.u32[(entry + column.codes) >>> 2] = codes
  arena.u32[(entry + column.dictionary) >>> 2] = dictionary.values
  arena.u32[(entry + column.dictionaryCount) >>> 2] = dictionary.count
  arena.u32[(entry + column.dictionaryId) >>> 2] = id
}

/** Makes the column one of values. */
export function clearCodes(arena: Arena, batch: number, index: number): void {
  arena.u32[(columnAddress(batch, index) + column.codes) >>> 2] = 0
}

/** Looks the codes of the batch's selected rows up, if the column has codes. @param width bytes of a value */
export function decodeCodes(
  { kernels }: { readonly kernels: DecodeKernels },
  u32: Uint32Array,
  batch: number,
  index: number,
  width: number,
): void {
  const entry = columnAddress(batch, index)
  const field = (offset: number): number => u32[(entry + offset) >>> 2] as number
  const codes = field(column.codes)
  if (codes === 0) return
  assert(canBeCodes(width), 'values of one byte have no codes')
  const widthLog2 = 31 - Math.clz32(width)
  const count = u32[(batch + descriptor.selectionCount) >>> 2] as number
  const selection = u32[(batch + descriptor.selection) >>> 2] as number
  const dictionary = field(column.dictionary)
  const values = field(column.values)
  if (selection === 0) kernels.gatherCodes(dictionary, codes, count, widthLog2, values)
  else kernels.gatherSelectedCodes(dictionary, codes, selection, count, widthLog2, values)
  u32[(entry + column.codes) >>> 2] = 0
}
