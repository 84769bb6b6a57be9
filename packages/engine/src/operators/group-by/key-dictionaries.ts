/** Test only: turns key columns of a written batch into dictionary codes, as a scan hands them on. */
import { COLUMN_BYTES, column, DESCRIPTOR_HEADER_BYTES, widthOf } from '@spillway/columnar'
import type { TestArena } from '@spillway/kernels'
import { CODE_BYTES, newDictionaryId } from '../../pipeline/column-codes.ts'
import { type Random, Scratch, type TestColumn, textOf, type Value, writeValue } from './group-by-twin.ts'

interface KeyDictionary {
  readonly codes: ReadonlyMap<string, number>
  readonly values: readonly Exclude<Value, null>[]
  readonly address: number
  readonly id: number
}

/** -0 and 0 are two values of a dictionary, though one key. */
const entryText = (value: Value): string => (Object.is(value, -0) ? '-0' : textOf(value))

export class KeyDictionaries {
  readonly #arena: TestArena
  readonly #scratch: Scratch
  readonly #random: Random
  readonly #known = new Map<number, KeyDictionary>()

  constructor(arena: TestArena, random: Random) {
    this.#arena = arena
    this.#scratch = new Scratch(arena, 100)
    this.#random = random
  }

  /** Makes the column one of codes. Its dictionary is that of the batch before if that has all values. */
  encode(batch: number, index: number, { type, values }: TestColumn): void {
    const { u8, u32, dataView } = this.#arena
    const dictionary = this.#dictionaryOf(index, type, values)
    const entry = batch + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
    const width = widthOf(type)
    const buffer = u32[(entry + column.values) >>> 2] as number
    const codes = buffer + values.length * (width - CODE_BYTES)
    u8.fill(0xee, buffer, buffer + values.length * width)
    values.forEach((value, row) => {
      const code = value === null ? 0 : (dictionary.codes.get(entryText(value)) as number)
      dataView.setUint16(codes + row * CODE_BYTES, code, true)
    })
    u32[(entry + column.codes) >>> 2] = codes
    u32[(entry + column.dictionary) >>> 2] = dictionary.address
    u32[(entry + column.dictionaryCount) >>> 2] = dictionary.values.length
    u32[(entry + column.dictionaryId) >>> 2] = dictionary.id
  }

  #dictionaryOf(index: number, type: TestColumn['type'], values: readonly Value[]): KeyDictionary {
    const known = this.#known.get(index)
    const wanted = new Map(values.flatMap((value) => (value === null ? [] : [[entryText(value), value] as const])))
    if (known !== undefined && [...wanted.keys()].every((text) => known.codes.has(text))) return known
    for (const value of known?.values ?? []) wanted.set(entryText(value), value)
    // Another order than before, as in the next row group of a file.
    const entries = [...wanted].sort(() => this.#random() - 0.5)
    const width = widthOf(type)
    const address = this.#scratch.take(Math.max(1, entries.length) * width)
    this.#arena.u8.fill(0, address, address + width)
    entries.forEach(([, value], code) => {
      writeValue(this.#arena, this.#scratch, type, address + code * width, value)
    })
    const made = {
      codes: new Map(entries.map(([text], code) => [text, code])),
      values: entries.map(([, value]) => value),
      address,
      id: newDictionaryId(),
    }
    this.#known.set(index, made)
    return made
  }
}
