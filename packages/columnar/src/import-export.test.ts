/** Importing and exporting against naive readers, all types, lengths 0 … 130, offsets, nulls, selections. */
import { createTestArena, type TestArena } from '@spillway/kernels'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ArrowColumn } from './arrow-column.ts'
import { readArenaColumn, readTwinColumn, type TwinValue, twinColumn } from './arrow-column-twin.ts'
import { type DataType, typeName } from './data-type.ts'
import { copyOut, exportColumn, exportRoomBytes, viewExported } from './export-column.ts'
import {
  type ImportTarget,
  importDictionary,
  importHeapBytes,
  importRows,
  importScratchBytes,
  rowsThatFit,
} from './import-rows.ts'

const PAGE = 65536
const types: readonly DataType[] = [
  ...(['null', 'boolean', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const).map(
    (kind) => ({ kind }) as DataType,
  ),
  ...(['float32', 'float64', 'utf8', 'date'] as const).map((kind) => ({ kind }) as DataType),
  { kind: 'timestamp', unit: 'us', timezone: undefined },
  { kind: 'decimal', precision: 38, scale: 2 },
]

let arena: TestArena
let target: ImportTarget
let selectionBuffer: number
let roomAddress: number
let seed = 1
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return (seed >>> 8) % limit
}

beforeAll(() => {
  arena = createTestArena(40)
  const take = (): number => arena.kernels.pageAlloc(1, 1) >>> 0
  const [values, validity, heap, scratch] = [take(), take(), take(), take()]
  target = { values, validity, heap, heapBytes: PAGE, scratch, scratchBytes: PAGE, dictionary: undefined }
  selectionBuffer = take()
  roomAddress = arena.kernels.pageAlloc(1, 4)
})

function randomValue(type: DataType): TwinValue {
  switch (type.kind) {
    case 'null':
      return null
    case 'boolean':
      return random(2) === 1
    case 'utf8':
      return 'aé☃z'.repeat(random(6)).slice(0, random(30))
    case 'int64':
    case 'timestamp':
      return BigInt(random(1000) - 500) * 10n ** 15n
    case 'uint64':
      return (1n << 63n) + BigInt(random(1000))
    case 'decimal':
      return BigInt(random(1000) - 500) * 10n ** 30n
    case 'float32':
    case 'float64':
      return random(1000) / 8
    default:
      return random(100)
  }
}

const randomValues = (type: DataType, length: number, nullable: boolean): TwinValue[] =>
  Array.from({ length }, () => (nullable && random(3) === 0 ? null : randomValue(type)))

/** Imports rows and reads them back; buffers are dirty before, so what is not written shows. */
function importAndRead(column: ArrowColumn, start: number, rowCount: number, into = target): TwinValue[] {
  arena.u8.fill(0xa5, into.values, into.values + rowCount * 16)
  arena.u8.fill(0xa5, into.validity, into.validity + rowCount)
  const nulls = importRows(arena.kernels, arena.memory, column, start, rowCount, into)
  const values = readArenaColumn(arena.memory, column.type, into.values, nulls === 0 ? 0 : into.validity, rowCount)
  expect(nulls).toBe(values.filter((value) => value === null).length)
  return values
}

describe.each(types.map((type) => [typeName(type), type] as const))('%s', (_, type) => {
  test('imports any range of any layout', () => {
    for (let length = 0; length <= 130; length++) {
      for (const nullable of [false, true]) {
        const values = randomValues(type, length, nullable)
        const options = { offset: random(20), offsetBytes: random(2) === 0 ? 4 : 8, misalign: random(8) } as const
        const column = twinColumn(type, values, options)
        expect(importAndRead(column, 0, length)).toEqual(values)
        const start = random(length + 1)
        const count = random(length - start + 1)
        expect(importAndRead(column, start, count)).toEqual(values.slice(start, start + count))
      }
    }
  })

  test('round trip through export, with and without selection', () => {
    for (let length = 0; length <= 130; length++) {
      const values = randomValues(type, length, length % 3 !== 0)
      const column = twinColumn(type, values)
      const nulls = importRows(arena.kernels, arena.memory, column, 0, length, target)
      const rows = values.map((_, row) => row).filter(() => random(3) > 0)
      new Uint32Array(arena.memory.buffer, selectionBuffer, rows.length).set(rows)
      for (const selection of [undefined, rows]) {
        const selectionAddress = selection === undefined ? 0 : selectionBuffer
        const count = selection?.length ?? length
        const validity = nulls === 0 ? 0 : target.validity
        const from = [type, target.values, validity, selectionAddress, count] as const
        const bytes = exportRoomBytes(arena.kernels, ...from)
        const cursor = roomAddress + random(64)
        const room = { cursor, end: cursor + bytes }
        arena.u8.fill(0xa5, room.end, room.end + 8)
        const exported = exportColumn(arena.kernels, arena.memory, ...from, room)
        if (exported === undefined) throw new Error('the room of exportRoomBytes is large enough')
        expect(room.cursor).toBeLessThanOrEqual(room.end)
        expect([...arena.u8.slice(room.end, room.end + 8)]).toEqual(Array(8).fill(0xa5))
        const expected = (selection ?? values.map((_, row) => row)).map((row) => values[row])
        expect(readTwinColumn(viewExported(arena.memory, exported))).toEqual(expected)
        const copy = copyOut(arena.memory, exported)
        expect(copy.values.buffer).toBeInstanceOf(ArrayBuffer)
        arena.u8.fill(0xa5, roomAddress, room.end)
        expect(readTwinColumn(copy)).toEqual(expected)
        expect(copy.nullCount).toBe(expected.filter((value) => value === null).length)
      }
    }
  })
})

test('export refuses a room that is too small and leaves it as it was', () => {
  const type: DataType = { kind: 'utf8' }
  importRows(arena.kernels, arena.memory, twinColumn(type, ['a', null, 'a longer string than 12']), 0, 3, target)
  const from = [type, target.values, target.validity, 0, 3] as const
  const room = { cursor: roomAddress, end: roomAddress + 64 * 3 - 1 }
  expect(exportColumn(arena.kernels, arena.memory, ...from, room)).toBeUndefined()
  expect(room.cursor).toBe(roomAddress)
  expect(exportColumn(arena.kernels, arena.memory, ...from, { ...room, end: roomAddress + 64 * 3 })).toBeDefined()
})

test('fixed-width values without selection are not copied, others are aligned to 64 bytes', () => {
  importRows(arena.kernels, arena.memory, twinColumn({ kind: 'int32' }, [1, null, 3]), 0, 3, target)
  const room = { cursor: roomAddress + 1, end: roomAddress + PAGE }
  const from = [{ kind: 'int32' } as DataType, target.values, target.validity, 0, 3] as const
  const exported = exportColumn(arena.kernels, arena.memory, ...from, room)
  expect(exported?.values).toEqual({ address: target.values, bytes: 12 })
  expect(exported?.validity).toEqual({ address: roomAddress + 64, bytes: 1 })
  expect(room.cursor).toBe(roomAddress + 128)
})

test('a source in the arena is read in place: views point into it and the heap stays untouched', () => {
  const text = ['short', null, 'a string that is longer than 12 bytes', 'é'.repeat(40)]
  const first = twinColumn({ kind: 'utf8' }, text, { offset: 3, offsetBytes: 4, misalign: 0 })
  const intoArena = (bytes: Uint8Array | undefined, address: number): Uint8Array => {
    arena.u8.set(bytes ?? [], address)
    return arena.u8.subarray(address, address + (bytes?.byteLength ?? 0))
  }
  const column: ArrowColumn = {
    ...first,
    validity: intoArena(first.validity, roomAddress),
    offsets: intoArena(first.offsets, roomAddress + 100),
    values: intoArena(first.values, roomAddress + 1000),
  }
  arena.u8.fill(0, target.heap, target.heap + 100)
  expect(importAndRead(column, 0, 4, { ...target, heapBytes: 0 })).toEqual(text)
  expect(arena.u8.subarray(target.heap, target.heap + 100).some((byte) => byte !== 0)).toBe(false)
  expect(importAndRead(column, 2, 2, { ...target, heapBytes: 0 })).toEqual(text.slice(2))
})

describe('dictionaries', () => {
  const indexed = (
    dictionary: ArrowColumn,
    indices: readonly (number | null)[],
    indexBytes: 1 | 2 | 4,
  ): ArrowColumn => {
    const kind = ({ 1: 'uint8', 2: 'uint16', 4: 'uint32' } as const)[indexBytes]
    return { ...twinColumn({ kind }, indices), type: dictionary.type, dictionary, indexBytes }
  }
  const importIt = (dictionary: ArrowColumn): ImportTarget => {
    const [values, validity] = [roomAddress, roomAddress + PAGE]
    const heap = roomAddress + 2 * PAGE
    const into = { ...target, values, validity, heap, heapBytes: importHeapBytes(dictionary, 0, dictionary.length) }
    return { ...target, heapBytes: 0, dictionary: importDictionary(arena.kernels, arena.memory, dictionary, into) }
  }

  test('strings and numbers, with nulls among rows, among values, and both', () => {
    for (const type of [
      { kind: 'utf8' },
      { kind: 'int16' },
      { kind: 'decimal', precision: 38, scale: 0 },
    ] as DataType[]) {
      for (const indexBytes of [1, 2, 4] as const) {
        for (let length = 0; length <= 130; length += length < 20 ? 1 : 11) {
          const values = randomValues(type, 50, length % 2 === 0)
          const into = importIt(twinColumn(type, values))
          const indices = Array.from({ length }, () => (length % 3 === 0 && random(3) === 0 ? null : random(50)))
          const column = indexed(twinColumn(type, values), indices, indexBytes)
          const expected = indices.map((index) => (index === null ? null : (values[index] as TwinValue)))
          expect(importAndRead(column, 0, length, into)).toEqual(expected)
          const start = random(length + 1)
          expect(importAndRead(column, start, length - start, into)).toEqual(expected.slice(start))
        }
      }
    }
  })

  test('an index out of range is a DataError, unless its row is null', () => {
    // The twin writes 77 where a row is null.
    const dictionary = twinColumn({ kind: 'utf8' }, ['a', 'b'])
    const into = importIt(dictionary)
    expect(importAndRead(indexed(dictionary, [1, null, 0], 2), 0, 3, into)).toEqual(['b', null, 'a'])
    expect(() => importAndRead(indexed(dictionary, [1, 2], 2), 0, 2, into)).toThrow(
      'Dictionary index out of range in 1',
    )
  })

  test('an empty dictionary serves null rows only', () => {
    const dictionary = twinColumn({ kind: 'utf8' }, [])
    const into = importIt(dictionary)
    expect(importAndRead(indexed(dictionary, [null, null], 4), 0, 2, into)).toEqual([null, null])
    expect(() => importAndRead(indexed(dictionary, [0, null], 4), 0, 2, into)).toThrow('Dictionary index out of range')
  })
})

test('rowsThatFit and importHeapBytes agree with adding up lengths', () => {
  for (const offsetBytes of [4, 8] as const) {
    const values = randomValues({ kind: 'utf8' }, 100, false) as string[]
    const column = twinColumn({ kind: 'utf8' }, values, { offset: 5, offsetBytes, misalign: 3 })
    const bytesOf = (start: number, count: number): number =>
      Buffer.byteLength(values.slice(start, start + count).join(''))
    for (let heapBytes = 0; heapBytes < 400; heapBytes += 7) {
      const start = random(100)
      const rows = rowsThatFit(column, start, 40, heapBytes)
      expect(importHeapBytes(column, start, rows)).toBe(bytesOf(start, rows))
      expect(bytesOf(start, rows)).toBeLessThanOrEqual(heapBytes)
      const isAll = rows === Math.min(40, 100 - start)
      if (!isAll) expect(bytesOf(start, rows + 1)).toBeGreaterThan(heapBytes)
    }
    expect(rowsThatFit(column, 100, 40, 0)).toBe(0)
  }
  expect(rowsThatFit(twinColumn({ kind: 'utf8' }, ['too long']), 0, 1, 3)).toBe(0)
  expect(rowsThatFit(twinColumn({ kind: 'int8' }, [1, 2, 3]), 1, 5, 0)).toBe(2)
})

test('a scratch or heap that is too small is our bug, not silent damage', () => {
  const column = twinColumn({ kind: 'utf8' }, ['123456'])
  const importInto = (into: ImportTarget) => () => importRows(arena.kernels, arena.memory, column, 0, 1, into)
  expect(importInto({ ...target, heapBytes: 5 })).toThrow('Invariant broken')
  expect(importInto({ ...target, scratchBytes: importScratchBytes(column.type, 1) - 1 })).toThrow('Invariant broken')
})
