/**
 * The code map of a group table: row addresses by combinations of dictionary codes (see codegen's coded-code.ts).
 *
 * It holds for the dictionaries of one batch; another dictionary of any key makes it stale as a whole, and so do rows
 * that leave. Like the direct map it takes no memory of its own but lies in the directory area that is free, where only
 * one of the two is alive at a time.
 */
import { codeMapHeaderBytes } from '@spillway/codegen'
import { COLUMN_BYTES, column, DESCRIPTOR_HEADER_BYTES } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { CODE_COMBINATIONS_MAX } from '../../pipeline/column-codes.ts'
import type { CodedKey } from './group-table-options.ts'
import type { StoreFields } from './store-fields.ts'

const WORD_BYTES = 4

export class CodeMap {
  /** Rows of batches that were looked up by their codes (a metric). */
  codedRows = 0
  address = 0
  readonly #fields: StoreFields
  readonly #keys: readonly CodedKey[]
  /** Of each key: its dictionary's id, and the codes that it may have, null included. */
  readonly #ids: number[]
  readonly #counts: number[]
  #room = 0
  #isClear = false

  constructor(fields: StoreFields, keys: readonly CodedKey[]) {
    this.#fields = fields
    this.#keys = keys
    this.#ids = keys.map(() => 0)
    this.#counts = keys.map(() => 0)
  }

  /** Moves the map to a free area of `room` bytes. Nothing is written there before the map is used. */
  place(address: number, room: number): void {
    this.address = address
    this.#room = room
    this.#isClear = false
  }

  /** Rows have left the table, or the area was used for something else. */
  forget(): void {
    this.#isClear = false
  }

  /** Whether all keys of the batch are codes and the map has room for them. It is then made for their dictionaries. */
  tryOpen(batch: number): boolean {
    let combinations = 1
    for (const [index, key] of this.#keys.entries()) {
      const entry = batch + DESCRIPTOR_HEADER_BYTES + key.column * COLUMN_BYTES
      if (this.#fields.u32(entry + column.codes) === 0) return false
      const id = this.#fields.u32(entry + column.dictionaryId)
      // A dictionary may be empty: null rows have code 0 all the same.
      const count = Math.max(1, this.#fields.u32(entry + column.dictionaryCount)) + 1
      if (this.#ids[index] !== id) this.#isClear = false
      this.#ids[index] = id
      this.#counts[index] = count
      combinations *= count
    }
    const bytes = codeMapHeaderBytes(this.#keys.length) + combinations * WORD_BYTES
    return combinations <= CODE_COMBINATIONS_MAX && bytes <= this.#room
  }

  /** Before each call that uses the map. True when the area's contents are new. */
  prepare(): boolean {
    if (this.#isClear) return false
    const header = codeMapHeaderBytes(this.#keys.length)
    let stride = WORD_BYTES
    for (let index = this.#keys.length - 1; index >= 0; index--) {
      this.#fields.setU32(this.address + index * 4, stride)
      stride *= this.#counts[index] as number
    }
    assert(header + stride <= this.#room, 'a code map fits its area')
    this.#fields.bytesAt(this.address + header, stride).fill(0)
    this.#isClear = true
    return true
  }
}
