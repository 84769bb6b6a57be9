/**
 * Test only: random values, batches of them in an arena, and a group-by over a Map that compiled code is compared with.
 */
import type { GroupAggregate, GroupBySpec } from '@spillway/codegen'
import {
  COLUMN_BYTES,
  column,
  type DataType,
  DESCRIPTOR_HEADER_BYTES,
  descriptor,
  isFloat,
  isNumeric,
  isUnsignedInteger,
  physicalOf,
  type Schema,
  widthOf,
} from '@spillway/columnar'
import type { TestArena } from '@spillway/kernels'

/** null, boolean, number (up to 32 bits, floats), bigint (64 bits, decimals), string. */
export type Value = null | boolean | number | bigint | string

export interface TestColumn {
  readonly type: DataType
  readonly values: readonly Value[]
}

/** Hands out memory in a row and forgets it all at once. */
export class Scratch {
  readonly #start: number
  readonly #end: number
  #cursor: number

  constructor(arena: TestArena, pageCount: number) {
    this.#start = arena.kernels.pageAlloc(7, pageCount) >>> 0
    if (this.#start === 0) throw new RangeError('The test arena is too small for its scratch pages')
    this.#end = this.#start + pageCount * 65536
    this.#cursor = this.#start
  }

  take(bytes: number): number {
    const address = this.#cursor
    this.#cursor += Math.ceil((bytes + 32) / 64) * 64
    if (this.#cursor > this.#end) throw new RangeError('The scratch pages are used up')
    return address
  }

  reset(): void {
    this.#cursor = this.#start
  }
}

/** Writes a dense batch (or one with a selection) and returns the address of its descriptor. */
export function writeBatch(
  arena: TestArena,
  scratch: Scratch,
  columns: readonly TestColumn[],
  selection: readonly number[] | undefined,
  ordinal: bigint,
): number {
  const { u32, dataView } = arena
  const batch = scratch.take(DESCRIPTOR_HEADER_BYTES + columns.length * COLUMN_BYTES)
  const rowCount = columns[0]?.values.length ?? 0
  u32.fill(0, batch >>> 2, (batch + DESCRIPTOR_HEADER_BYTES) >>> 2)
  u32[(batch + descriptor.rowCount) >>> 2] = rowCount
  u32[(batch + descriptor.selectionCount) >>> 2] = selection?.length ?? rowCount
  u32[(batch + descriptor.columnCount) >>> 2] = columns.length
  dataView.setBigUint64(batch + descriptor.ordinal, ordinal, true)
  if (selection !== undefined) {
    const address = scratch.take(selection.length * 4)
    u32[(batch + descriptor.selection) >>> 2] = address
    u32.set(selection, address >>> 2)
  }
  columns.forEach(({ type, values }, index) => {
    const entry = batch + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
    const width = widthOf(type)
    const target = scratch.take(width * values.length)
    const nulls = values.filter((value) => value === null).length
    const validity = nulls === 0 ? 0 : scratch.take(values.length)
    values.forEach((value, row) => {
      if (validity !== 0) arena.u8[validity + row] = value === null ? 0 : 1
      // A null row gets bytes that must not matter.
      if (value === null) arena.u8.fill(1, target + row * width, target + (row + 1) * width)
      else writeValue(arena, scratch, type, target + row * width, value)
    })
    u32[(entry + column.values) >>> 2] = target
    u32[(entry + column.validity) >>> 2] = validity
    u32[(entry + column.nullCount) >>> 2] = nulls
    u32[(entry + column.buffers) >>> 2] = 0
    u32[(entry + column.codes) >>> 2] = 0
  })
  return batch
}

export function writeValue(arena: TestArena, scratch: Scratch, type: DataType, address: number, value: Value): void {
  const { dataView, u8 } = arena
  if (type.kind === 'utf8') {
    const bytes = new TextEncoder().encode(String(value))
    u8.fill(0, address, address + 16)
    dataView.setUint32(address, bytes.length, true)
    if (bytes.length <= 12) u8.set(bytes, address + 4)
    else {
      const heap = scratch.take(bytes.length)
      u8.set(bytes, heap)
      u8.set(bytes.subarray(0, 4), address + 4)
      dataView.setUint32(address + 8, heap, true)
    }
    return
  }
  const physical = physicalOf(type)
  if (physical === 'f32') dataView.setFloat32(address, Number(value), true)
  else if (physical === 'f64') dataView.setFloat64(address, Number(value), true)
  else {
    const bits = BigInt.asUintN(128, BigInt(value as bigint | number | boolean))
    for (let byte = 0; byte < widthOf(type); byte++) u8[address + byte] = Number((bits >> BigInt(8 * byte)) & 255n)
  }
}

/** Makes a descriptor with buffers for `capacity` rows of `schema`. */
export function makeOutBatch(arena: TestArena, scratch: Scratch, schema: Schema, capacity: number): number {
  const batch = scratch.take(DESCRIPTOR_HEADER_BYTES + schema.fields.length * COLUMN_BYTES)
  arena.u32.fill(0, batch >>> 2, (batch + DESCRIPTOR_HEADER_BYTES) >>> 2)
  schema.fields.forEach((field, index) => {
    const buffers = scratch.take(8)
    arena.u32[buffers >>> 2] = scratch.take(capacity * widthOf(field.type))
    arena.u32[(buffers >>> 2) + 1] = scratch.take(capacity)
    const entry = batch + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
    arena.u32.fill(0, entry >>> 2, (entry + COLUMN_BYTES) >>> 2)
    arena.u32[(entry + column.buffers) >>> 2] = buffers
  })
  return batch
}

/** Reads all columns of a dense batch. */
export function readBatch(arena: TestArena, batch: number, schema: Schema): TestColumn[] {
  const rowCount = arena.u32[(batch + descriptor.rowCount) >>> 2] ?? 0
  return schema.fields.map(({ type }, index) => {
    const entry = batch + DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES
    const source = arena.u32[(entry + column.values) >>> 2] ?? 0
    const validity = arena.u32[(entry + column.validity) >>> 2] ?? 0
    const values = Array.from({ length: rowCount }, (_, row) =>
      validity !== 0 && arena.u8[validity + row] === 0 ? null : readValue(arena, type, source + row * widthOf(type)),
    )
    return { type, values }
  })
}

function readValue(arena: TestArena, type: DataType, address: number): Value {
  const { dataView, u8 } = arena
  if (type.kind === 'utf8') {
    const length = dataView.getUint32(address, true)
    const start = length <= 12 ? address + 4 : dataView.getUint32(address + 8, true)
    return new TextDecoder().decode(u8.slice(start, start + length))
  }
  const physical = physicalOf(type)
  if (physical === 'f32') return dataView.getFloat32(address, true)
  if (physical === 'f64') return dataView.getFloat64(address, true)
  const width = widthOf(type)
  let bits = 0n
  for (let byte = width - 1; byte >= 0; byte--) bits = (bits << 8n) | BigInt(u8[address + byte] ?? 0)
  if (type.kind === 'boolean') return bits !== 0n
  const value = isUnsignedInteger(type) ? bits : BigInt.asIntN(8 * width, bits)
  return width <= 4 ? Number(value) : value
}

/** A key or value as text that is equal exactly for what a group-by holds equal. */
export function textOf(value: Value | undefined): string {
  if (Object.is(value, -0)) return 'number:0'
  return value === null ? 'null' : `${typeof value}:${String(value)}`
}

interface Group {
  readonly key: readonly Value[]
  /** Operand values per aggregate with their ordinals; undefined operand = len. */
  readonly seen: { readonly value: Value; readonly ordinal: bigint }[][]
  readonly distinct: number[]
}

/** The answer by brute force. */
export class GroupByTwin {
  readonly #spec: GroupBySpec
  readonly #groups = new Map<string, Group>()

  constructor(spec: GroupBySpec) {
    this.#spec = spec
    if (spec.keys.length === 0) this.#group([])
  }

  /** @param columns the batch's columns; @param kind as in GroupTable.consume */
  add(columns: readonly TestColumn[], selection: readonly number[] | undefined, ordinal: bigint, kind: number): void {
    const rowCount = columns[0]?.values.length ?? 0
    const rows = selection ?? Array.from({ length: rowCount }, (_, row) => row)
    rows.forEach((row, position) => {
      const key = this.#spec.keys.map((entry, index) => columns[kind === 0 ? entry.column : index]?.values[row] ?? null)
      const group = this.#group(key)
      if (kind > 0) {
        group.distinct[kind] = (group.distinct[kind] ?? 0) + 1
        return
      }
      this.#spec.aggregates.forEach((aggregate, index) => {
        const value = aggregate.column === undefined ? null : (columns[aggregate.column]?.values[row] ?? null)
        group.seen[index]?.push({ value, ordinal: ordinal + BigInt(position) })
      })
    })
  }

  /** Key text → aggregates. */
  results(): Map<string, Value[]> {
    const results = new Map<string, Value[]>()
    for (const [text, group] of this.#groups) {
      let kind = 0
      const values = this.#spec.aggregates.map((aggregate, index) =>
        aggregate.function === 'nUnique'
          ? BigInt(group.distinct[++kind] ?? 0)
          : fold(aggregate.function, aggregate.type, group.seen[index] ?? []),
      )
      results.set(text, values)
    }
    return results
  }

  #group(key: readonly Value[]): Group {
    const text = key.map(textOf).join('|')
    const known = this.#groups.get(text)
    if (known !== undefined) return known
    const group = { key, seen: this.#spec.aggregates.map(() => []), distinct: [] }
    this.#groups.set(text, group)
    return group
  }
}

/** Order of the engine: NaN last, strings by UTF-8 bytes. */
function isBelow(a: Value, b: Value): boolean {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
  if (Number.isNaN(a)) return false
  return Number.isNaN(b) || (a as number) < (b as number)
}

function fold(name: string, type: DataType | undefined, seen: Group['seen'][number]): Value {
  const valid = seen.map((entry) => entry.value).filter((value) => value !== null)
  const float = type !== undefined && isFloat(type)
  switch (name) {
    case 'len':
      return BigInt(seen.length)
    case 'count':
      return BigInt(valid.length)
    case 'sum':
      if (float) return valid.reduce((sum: number, value) => sum + Number(value), 0)
      return valid.reduce((sum: bigint, value) => sum + BigInt(value as number), 0n)
    case 'mean': {
      if (valid.length === 0) return null
      const scale = type?.kind === 'decimal' ? 10 ** type.scale : 1
      if (float) return valid.reduce((sum: number, value) => sum + Number(value), 0) / valid.length
      return Number(valid.reduce((sum: bigint, value) => sum + BigInt(value as number), 0n)) / scale / valid.length
    }
    case 'min':
      return valid.reduce((best: Value, value) => (best === null || isBelow(value, best) ? value : best), null)
    case 'max':
      return valid.reduce((best: Value, value) => (best === null || isBelow(best, value) ? value : best), null)
    case 'first':
      return seen.reduce((best, entry) => (entry.ordinal < best.ordinal ? entry : best), seen[0] ?? missing).value
    default:
      return seen.reduce((best, entry) => (entry.ordinal > best.ordinal ? entry : best), seen[0] ?? missing).value
  }
}

const missing = { value: null, ordinal: 0n }

export type Random = () => number

/** A small seeded generator (mulberry32), so that a failure can be repeated. */
export function makeRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export const types: DataType[] = [
  { kind: 'boolean' },
  { kind: 'int8' },
  { kind: 'int16' },
  { kind: 'int32' },
  { kind: 'int64' },
  { kind: 'uint8' },
  { kind: 'uint16' },
  { kind: 'uint32' },
  { kind: 'uint64' },
  { kind: 'float32' },
  { kind: 'float64' },
  { kind: 'utf8' },
  { kind: 'date' },
  { kind: 'timestamp', unit: 'us', timezone: undefined },
  { kind: 'decimal', precision: 30, scale: 2 },
]

const floats = [0, -0, 1.5, -2.25, Number.NaN, Number.POSITIVE_INFINITY, 3, -7.75]

export function randomValue(type: DataType, random: Random, nullShare: number, spread: number): Value {
  if (random() < nullShare) return null
  const pick = Math.floor(random() * spread)
  switch (type.kind) {
    case 'boolean':
      return random() < 0.5
    case 'int8':
      return (pick % 256) - 128
    case 'uint8':
      return pick % 256
    case 'uint16':
      return (pick * 7919) % 65536
    case 'int16':
      return ((pick * 7919) % 65536) - 32768
    case 'uint32':
      return (pick * 2654435761) % 4294967296
    case 'int32':
    case 'date':
      return ((pick * 2654435761) % 4294967296) - 2147483648
    case 'int64':
    case 'timestamp':
      return BigInt(pick - 3) * 1000000007n
    case 'uint64':
      return BigInt(pick) * 3000000019n + (pick % 3 === 0 ? 2n ** 58n : 0n)
    case 'decimal':
      return BigInt(pick - 5) * 12345678901234567891n
    case 'float32':
    case 'float64':
      return floats[pick % floats.length] ?? 0
    case 'utf8':
      return pick % 3 === 0 ? `s${pick}` : `${'é long string '.repeat(1 + (pick % 4))}${pick}`
    default:
      return null
  }
}

/** Every aggregate that makes sense for a type. */
function aggregatesOf(type: DataType, at: number, nullable: boolean): GroupAggregate[] {
  const functions: GroupAggregate['function'][] = ['min', 'max', 'count', 'first', 'last']
  if (isNumeric(type)) functions.push('sum', 'mean')
  if (type.kind === 'boolean') functions.push('sum')
  return functions.map((name) => ({ name: `${name}${at}`, function: name, column: at, type, nullable }))
}

export const columnsOf = (spec: GroupBySpec): DataType[] => spec.input.fields.map((field) => field.type)

export function makeSpec(
  keyTypes: readonly DataType[],
  operands: readonly DataType[],
  nullable: boolean,
  hashMask?: bigint,
): GroupBySpec {
  const all = [...operands, ...keyTypes]
  const input: Schema = { fields: all.map((type, index) => ({ name: `c${index}`, type, nullable })) }
  // Operands come first, so that keys of kind 0 and of the other kinds stand at different positions.
  const keys = keyTypes.map((type, index) => ({ name: `k${index}`, column: operands.length + index, type, nullable }))
  const aggregates = operands.flatMap((type, index) => aggregatesOf(type, index, nullable))
  aggregates.push({ name: 'len', function: 'len', column: undefined, type: undefined, nullable: false })
  aggregates.push({ name: 'distinct', function: 'nUnique', column: 0, type: operands[0], nullable })
  return { input, keys, aggregates, hashMask, takesCodes: false }
}
