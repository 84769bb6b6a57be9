/** Spill files: what was appended comes back exactly, or a typed error comes and the accounting is right. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExportedColumn, Schema } from '@spillway/columnar'
import { SpillCorruptionError, SpillDiskFullError, SpillIoError, type SpillwayError } from '@spillway/stdx'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  appendBlock,
  blockBytes,
  type Checksum,
  countedOperations,
  createChecksum,
  createSpillIo,
  decodeSpillTotals,
  encodeSpillTotals,
  type FaultKind,
  type FaultPlan,
  makeFaultPlan,
  makeSpillQuota,
  newSpillFile,
  openSpillFile,
  readBlock,
  removeSpillFile,
  SPILL_TOTALS_BYTES,
  type SpillContext,
  type SpillFileState,
  SpillQuota,
  spillTotals,
} from './index.ts'

const schema: Schema = {
  fields: [
    { name: 'key', type: { kind: 'int64' }, nullable: false },
    { name: 'text', type: { kind: 'utf8' }, nullable: true },
  ],
}
const DATA_ADDRESS = 64
const READ_ADDRESS = 1 << 20

let directory: string
let path: string
let checksum: Checksum
let files = 0

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'spill-file-test-'))
  checksum = await createChecksum()
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))
beforeEach(() => {
  files += 1
  path = join(directory, `p${files}.arrow`)
})

function makeContext(faults: FaultPlan | undefined = undefined, maxSpillBytes = 1 << 30): SpillContext {
  return {
    io: createSpillIo(faults),
    quota: new SpillQuota(makeSpillQuota(maxSpillBytes)),
    checksum,
    memory: { buffer: new SharedArrayBuffer(4 << 20) },
  }
}

/** Rows [start, start + rowCount) as columns in the arena; every fifth text is null. */
function placeRows(context: SpillContext, start: number, rowCount: number): ExportedColumn[] {
  const rows = rowsOf(start, rowCount)
  const texts = rows.map(({ text }) => new TextEncoder().encode(text ?? ''))
  const offsets = new Int32Array(rowCount + 1)
  const validity = new Uint8Array(Math.ceil(rowCount / 8))
  for (const [index, { text }] of rows.entries()) {
    offsets[index + 1] = offsets[index]! + texts[index]!.byteLength
    if (text !== null) validity[index >> 3]! |= 1 << (index & 7)
  }
  let next = DATA_ADDRESS
  const place = (bytes: Uint8Array): { address: number; bytes: number } => {
    const address = next
    new Uint8Array(context.memory.buffer).set(bytes, address)
    next = Math.ceil((next + bytes.byteLength) / 8) * 8
    return { address, bytes: bytes.byteLength }
  }
  const none = { address: 0, bytes: 0 }
  const keys = new Uint8Array(BigInt64Array.from(rows.map(({ key }) => key)).buffer)
  const nullCount = rows.filter(({ text }) => text === null).length
  return [
    { type: { kind: 'int64' }, length: rowCount, nullCount: 0, validity: none, offsets: none, values: place(keys) },
    {
      type: { kind: 'utf8' },
      length: rowCount,
      nullCount,
      validity: nullCount === 0 ? none : place(validity),
      offsets: place(new Uint8Array(offsets.buffer)),
      values: place(new Uint8Array(Buffer.concat(texts))),
    },
  ]
}

interface Row {
  readonly key: bigint
  readonly text: string | null
}

function rowsOf(start: number, rowCount: number): Row[] {
  return Array.from({ length: rowCount }, (_, index) => ({
    key: BigInt(start + index) - 10n,
    text: (start + index) % 5 === 0 ? null : `text ${'ü'.repeat(index % 9)}${start + index}`,
  }))
}

const append = (context: SpillContext, state: SpillFileState, rowCount: number): SpillFileState =>
  appendBlock(context, state, placeRows(context, state.rows, rowCount), rowCount)

function readRows(context: SpillContext, state: SpillFileState): Row[] {
  return state.blocks.flatMap((_, index) => {
    const { columns, rowCount } = readBlock(context, state, index, READ_ADDRESS)
    const keys = new DataView(columns[0]!.values.slice().buffer)
    const { validity, offsets, values } = columns[1]!
    const ends = new DataView(offsets!.slice().buffer)
    const bytes = values.slice()
    return Array.from({ length: rowCount }, (_, row): Row => {
      const valid = validity === undefined || ((validity[row >> 3]! >> (row & 7)) & 1) === 1
      const text = bytes.subarray(ends.getInt32(row * 4, true), ends.getInt32(row * 4 + 4, true))
      return { key: keys.getBigInt64(row * 8, true), text: valid ? new TextDecoder().decode(text) : null }
    })
  })
}

const reopen = (context: SpillContext, state: SpillFileState): SpillFileState =>
  openSpillFile(context, state.path, spillTotals(state), schema)

function errorOf(work: () => unknown): SpillwayError {
  try {
    work()
  } catch (error) {
    return error as SpillwayError
  }
  throw new Error('expected an error')
}

describe('spill file', () => {
  it('gives back every batch, for the writer and for a worker that knows the totals only', () => {
    const context = makeContext()
    let state = newSpillFile(path, schema)
    for (let rowCount = 0; rowCount <= 130; rowCount += 13) state = append(context, state, rowCount)
    const expected = rowsOf(0, 0)
    for (const { rows } of state.blocks) expected.push(...rowsOf(expected.length, rows))
    expect(readRows(context, state)).toEqual(expected)
    const view = new DataView(new SharedArrayBuffer(64 + SPILL_TOTALS_BYTES))
    encodeSpillTotals(spillTotals(state), view, 64)
    const other = { ...makeContext(), quota: context.quota }
    const opened = openSpillFile(other, path, decodeSpillTotals(view, 64), schema)
    expect(opened).toEqual(state)
    expect(readRows(other, opened)).toEqual(expected)
    // Either may go on appending.
    const longer = append(other, opened, 7)
    expect(readRows(context, reopen(context, longer)).length).toBe(expected.length + 7)
  })

  it('is a valid Arrow IPC file after each append', () => {
    // A tool of the workspace's tests, which this package does not depend on.
    const { tableFromIPC } = createRequire(import.meta.url)('apache-arrow') as typeof import('apache-arrow')
    const context = makeContext()
    let state = newSpillFile(path, schema)
    for (const rowCount of [3, 0, 100]) {
      state = append(context, state, rowCount)
      const table = tableFromIPC(readFileSync(path))
      expect(table.numRows).toBe(state.rows)
      const keys = table.toArray().map((row) => (row as unknown as { key: bigint }).key)
      expect(keys).toEqual(rowsOf(0, state.rows).map(({ key }) => key))
    }
  })

  it('charges the quota exactly the bytes of its file and gives them back on removal', () => {
    const context = makeContext()
    let state = newSpillFile(path, schema)
    for (const rowCount of [5, 50]) {
      state = append(context, state, rowCount)
      expect(statSync(path).size).toBe(state.bytes)
      expect(context.quota.usage().usedBytes).toBe(state.bytes)
    }
    readRows(context, state)
    const { writtenBytes, readBytes, peakBytes } = context.quota.usage()
    expect(writtenBytes).toBeGreaterThan(state.bytes)
    expect(readBytes).toBe(state.blocks.reduce((sum, block) => sum + blockBytes(block), 0))
    removeSpillFile(context, path, state.bytes)
    expect(existsSync(path)).toBe(false)
    expect(context.quota.usage()).toEqual({ usedBytes: 0, peakBytes, writtenBytes, readBytes })
    removeSpillFile(context, path, 0)
  })

  it('refuses a batch of another schema before it touches the file', () => {
    const context = makeContext()
    const columns = placeRows(context, 0, 3)
    expect(() => appendBlock(context, newSpillFile(path, schema), [columns[1]!, columns[0]!], 3)).toThrow(
      /column "key" has the type of its schema/,
    )
    expect(existsSync(path)).toBe(false)
  })

  it('stops at maxSpillBytes with an error that names it, before it writes', () => {
    const context = makeContext(undefined, 4000)
    const first = append(context, newSpillFile(path, schema), 5)
    const error = errorOf(() => append(context, first, 500))
    expect(error).toBeInstanceOf(SpillDiskFullError)
    expect(error.message).toContain('maxSpillBytes = 3.9 KiB')
    expect(context.quota.usage().usedBytes).toBe(first.bytes)
    expect(statSync(path).size).toBe(first.bytes)
    expect(readRows(context, reopen(context, first))).toEqual(rowsOf(0, 5))
  })
})

describe('damage', () => {
  it('is found at every byte of metadata, body and footer, whichever byte it is', () => {
    const context = makeContext()
    const state = append(context, append(context, newSpillFile(path, schema), 3), 2)
    const intact = readFileSync(path)
    // Bytes before the first block (magic and schema message) are for other readers; we never read them.
    for (let index = state.blocks[0]!.offset; index < intact.byteLength; index += 1) {
      const damaged = Buffer.from(intact)
      damaged[index]! ^= 0x10
      writeFileSync(path, damaged)
      const error = errorOf(() => readRows(context, reopen(context, state)))
      expect(error).toBeInstanceOf(SpillCorruptionError)
      const block = state.blocks.findIndex(
        ({ offset }, next) => index < (state.blocks[next + 1]?.offset ?? state.dataBytes) && index >= offset,
      )
      expect(error.details).toMatchObject({ path, part: index >= state.dataBytes ? 'footer' : `block ${block}` })
      expect(error.message).toContain(path)
    }
    writeFileSync(path, intact)
    expect(readRows(context, reopen(context, state))).toEqual(rowsOf(0, 3).concat(rowsOf(3, 2)))
  })

  it('is found when the file was cut short, anywhere', () => {
    const context = makeContext()
    const state = append(context, newSpillFile(path, schema), 30)
    const intact = readFileSync(path)
    for (let size = 0; size < intact.byteLength; size += 61) {
      writeFileSync(path, intact)
      truncateSync(path, size)
      expect(errorOf(() => reopen(context, state))).toBeInstanceOf(SpillCorruptionError)
      if (size < state.dataBytes) expect(errorOf(() => readRows(context, state)).message).toContain('truncated')
    }
  })

  it('a missing file is an I/O error, not an empty one', () => {
    const context = makeContext()
    const state = append(context, newSpillFile(path, schema), 3)
    rmSync(path)
    const error = errorOf(() => reopen(context, state))
    expect(error).toBeInstanceOf(SpillIoError)
    expect(error.details).toMatchObject({ path, errno: 'ENOENT', operation: 'read' })
  })
})

describe('faults', () => {
  const expectedErrors: Readonly<Record<FaultKind, { code: string; errno?: string } | undefined>> = {
    enospc: { code: 'SPILL_DISK_FULL', errno: 'ENOSPC' },
    eacces: { code: 'SPILL_IO', errno: 'EACCES' },
    'eio-write': { code: 'SPILL_IO', errno: 'EIO' },
    'eio-read': { code: 'SPILL_IO', errno: 'EIO' },
    'corrupt-byte': { code: 'SPILL_CORRUPTION' },
    'short-write': undefined,
    'short-read': undefined,
  }
  const kinds = Object.keys(expectedErrors) as FaultKind[]

  /** Three appends, reopened and read; a failed step is tried once more. @returns the errors on the way */
  function runWithRetries(context: SpillContext): SpillwayError[] {
    const errors: SpillwayError[] = []
    const retry = <T>(work: () => T): T => {
      try {
        return work()
      } catch (error) {
        errors.push(error as SpillwayError)
        return work()
      }
    }
    let state = newSpillFile(path, schema)
    for (const rowCount of [4, 40, 9]) {
      const before = state
      state = retry(() => append(context, before, rowCount))
      expect(context.quota.usage().usedBytes).toBe(state.bytes)
      expect(statSync(path).size).toBe(state.bytes)
    }
    const opened = retry(() => reopen(context, state))
    const rows = retry(() => readRows(context, opened))
    expect(rows).toEqual([...rowsOf(0, 4), ...rowsOf(4, 40), ...rowsOf(44, 9)])
    removeSpillFile(context, path, state.bytes)
    return errors
  }

  it.each(kinds)('%s at each operation in turn gives its error once, and the retry succeeds', (kind) => {
    let swept = 0
    for (;;) {
      const plan = makeFaultPlan(kind, swept)
      const errors = runWithRetries(makeContext(plan))
      if (countedOperations(plan) <= swept) {
        expect(errors).toEqual([])
        break
      }
      const expected = expectedErrors[kind]
      expect(errors.map(({ code, details }) => ({ code, errno: details['errno'] }))).toEqual(
        expected === undefined ? [] : [{ code: expected.code, errno: expected.errno }],
      )
      if (expected !== undefined) expect(errors[0]!.details['path']).toBe(path)
      swept += 1
    }
    // Writes: three appends (a short one takes two). Reads: a footer and three blocks.
    expect(swept).toBeGreaterThanOrEqual(3)
  })

  it('leaves the earlier blocks readable after a failed append, and no file after a failed first one', () => {
    const good = makeContext()
    const state = append(good, newSpillFile(path, schema), 20)
    const failing = { ...good, io: createSpillIo(makeFaultPlan('enospc', 0)) }
    expect(errorOf(() => append(failing, state, 20)).code).toBe('SPILL_DISK_FULL')
    expect(statSync(path).size).toBe(state.bytes)
    expect(readRows(good, reopen(good, state))).toEqual(rowsOf(0, 20))
    const fresh = join(directory, 'fresh.arrow')
    const failingFirst = { ...good, io: createSpillIo(makeFaultPlan('enospc', 0)) }
    expect(errorOf(() => append(failingFirst, newSpillFile(fresh, schema), 20)).code).toBe('SPILL_DISK_FULL')
    expect(existsSync(fresh)).toBe(false)
    expect(good.quota.usage().usedBytes).toBe(state.bytes)
  })

  it('keeps the quota right and the damage visible on a disk that stays full', () => {
    const good = makeContext()
    const state = append(good, newSpillFile(path, schema), 20)
    const failing = { ...good, io: createSpillIo(makeFaultPlan('enospc', 0, true)) }
    expect(errorOf(() => append(failing, state, 20)).code).toBe('SPILL_DISK_FULL')
    expect(good.quota.usage().usedBytes).toBe(state.bytes)
    expect(errorOf(() => reopen(good, state)).code).toBe('SPILL_CORRUPTION')
    // The blocks themselves are whole for whoever still has the state.
    expect(readRows(good, state)).toEqual(rowsOf(0, 20))
  })

  it('counts over all workers that share a plan', () => {
    const plan = structuredClone(makeFaultPlan('eio-write', 2))
    const [one, two] = [createSpillIo(plan), createSpillIo(plan)]
    one.writeAt(path, [new Uint8Array(1)], 0)
    two.writeAt(path, [new Uint8Array(1)], 1)
    expect(errorOf(() => one.writeAt(path, [new Uint8Array(1)], 2)).code).toBe('SPILL_IO')
    two.writeAt(path, [new Uint8Array(1)], 2)
  })

  it.runIf(existsSync('/dev/full'))('maps a real ENOSPC', () => {
    const error = errorOf(() => createSpillIo().writeAt('/dev/full', [new Uint8Array(100)], 0))
    expect(error).toBeInstanceOf(SpillDiskFullError)
    expect(error.details).toMatchObject({ path: '/dev/full', bytes: 100, errno: 'ENOSPC' })
  })

  it('writes more pieces than the system takes in one call', () => {
    const pieces = Array.from({ length: 5000 }, (_, index) => Uint8Array.of(index, index >> 8))
    createSpillIo().writeAt(path, pieces, 0)
    expect(readFileSync(path)).toEqual(Buffer.concat(pieces))
  })

  it('maps a directory that vanished', () => {
    const lost = join(directory, 'gone', 'p.arrow')
    expect(errorOf(() => createSpillIo().writeAt(lost, [new Uint8Array(1)], 0)).code).toBe('SPILL_IO')
  })
})

describe('checksum', () => {
  it('does not depend on how the bytes are cut, and is xxHash64', () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(3_000_001)).map((_, index) => index * 7)
    const whole = checksum([bytes])
    for (const cut of [0, 1, 31, 32, 262_144, 1_500_000, 3_000_000]) {
      expect(checksum([bytes.subarray(0, cut), bytes.subarray(cut)])).toBe(whole)
    }
    // Published vectors of xxHash64 with seed 0.
    expect(checksum([])).toBe(0xef46db3751d8e999n)
    expect(checksum([new TextEncoder().encode('abc')])).toBe(0x44bc2cf5ad770999n)
  })
})

describe('SpillQuota', () => {
  it('is shared by all who hold its words', () => {
    const words = makeSpillQuota(100)
    const [one, two] = [new SpillQuota(words), new SpillQuota(words)]
    one.charge(60, 'a')
    expect(errorOf(() => two.charge(41, 'b')).details).toMatchObject({ path: 'b', bytes: 41, usedBytes: 60 })
    two.charge(40, 'b')
    one.release(60)
    expect(two.usage()).toMatchObject({ usedBytes: 40, peakBytes: 100 })
    expect(() => one.release(41)).toThrow(/no more spill bytes/)
  })
})
