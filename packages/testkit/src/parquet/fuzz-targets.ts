/**
 * What the fuzzer drives: a reader of whole files. One goes through an engine, as users do; one drives the decoder of
 * the format layer directly, without workers, so that a finding can be stepped through. A new reader needs one
 * function.
 */
import { createHash } from 'node:crypto'
import { makeError } from '@spillway/stdx'
import { col, createEngine, type Engine } from 'spillway'
import { tableOfArrow } from '../arrow-cells.ts'
import { formatsUrl } from './writer-packages.ts'

/** What a file held: equal texts for equal rows. */
export type Fingerprint = string

export interface FuzzTarget {
  readonly name: string
  /** All rows of all columns. @throws what the reader throws */
  read(path: string): Promise<Fingerprint>
  /** What is held although nothing runs, as a sentence. */
  findLeftovers(): Promise<string | undefined>
  close(): Promise<void>
}

/** Of the 150 rows of most files, the last ten remain. */
const FILTER_ROW = 140

/** Reads through `scanParquet(...).collect()`, all rows and filtered ones, on one engine with one worker. */
export function openEngineTarget(memoryLimit: string): FuzzTarget {
  const engine: Engine = createEngine({ threads: 1, memoryLimit })
  return {
    name: 'engine',
    async read(path) {
      const frame = await engine.scanParquet(path).collect()
      const hash = createHash('md5').update(`${frame.height} rows, ${frame.columns.join(' ')}`)
      const { rows } = tableOfArrow(frame.toArrow())
      for (const row of rows) hash.update(row.map(String).join('|'))
      // Bounds, page index and passed rows have their part in a filtered read.
      const row = frame.columns.indexOf('row')
      if (typeof rows[0]?.[row] === 'bigint') {
        const kept = await engine.scanParquet(path).filter(col('row').gt(FILTER_ROW)).collect()
        for (const each of tableOfArrow(kept.toArrow()).rows) hash.update(each.map(String).join('|'))
      }
      return hash.digest('hex')
    },
    async findLeftovers() {
      const { runningQueries, reservedPages, usedPages } = await engine.usage()
      if (runningQueries === 0 && reservedPages === 0 && usedPages === 0) return undefined
      return `${runningQueries} queries, ${reservedPages} reserved and ${usedPages} used pages are left`
    },
    close: () => engine.close(),
  }
}

interface OpenedFile {
  /** All rows, as anything that prints alike for alike values. @throws typed errors */
  rows(): string
}

/** A target over a reader that runs on this thread. */
export function makeDirectTarget(name: string, open: (path: string) => OpenedFile): FuzzTarget {
  return {
    name,
    async read(path) {
      return createHash('md5').update(open(path).rows()).digest('hex')
    },
    findLeftovers: async () => undefined,
    close: async () => {},
  }
}

/** What the direct target uses of the format layer: its tests' driver of the reader, and the footer. */
interface FormatLayer {
  readFileMeta(path: string): FileMeta
}
interface FileMeta {
  readonly rowGroups: readonly unknown[]
  readonly schema: { readonly fields: readonly { readonly name: string; readonly type: object }[] }
}
interface TwinModule {
  makeTwinArena(): object
  readonly ChunkTwin: new (arena: object, type: object, options: { windowBytes: number; batchRows: number }) => Twin
}
interface Twin {
  readonly memory: { readonly pieces: ReadonlyMap<number, unknown>; limitBytes: number }
  readColumn(meta: FileMeta, column: string, options?: { skip?: (rowsLeft: number) => number }): string[]
  checkZones(): void
  free(): void
}

/** The smallest window that a reader may have, so that the pages of the larger files pass through it in pieces. */
const WINDOW_BYTES = 64 * 1024
/** More chunk memory than this is refused. */
const CHUNK_MEMORY_BYTES = 32 << 20
const BATCH_ROWS = 200
const TWINS_MAX = 60

/**
 * The column chunk reader, on this thread, with red zones around all buffers that it gets. Each column is read twice:
 * as a whole, and with rows passed over, which must give the same values where nothing refused the whole.
 */
export async function openDecoderTarget(): Promise<FuzzTarget> {
  const { readFileMeta } = (await import(formatsUrl.href)) as FormatLayer
  const twinUrl = new URL('parquet/native/chunk-twin.js', formatsUrl)
  const { ChunkTwin, makeTwinArena } = (await import(twinUrl.href)) as TwinModule
  const arena = makeTwinArena()
  const twins = new Map<string, Twin>()
  const twinOf = (type: object): Twin => {
    const key = JSON.stringify(type)
    const known = twins.get(key)
    if (known !== undefined) return known
    // Damaged schemas have ever other decimals: the arena has room for so many readers.
    if (twins.size === TWINS_MAX) {
      for (const each of twins.values()) each.free()
      twins.clear()
    }
    const twin = new ChunkTwin(arena, type, { windowBytes: WINDOW_BYTES, batchRows: BATCH_ROWS })
    twin.memory.limitBytes = CHUNK_MEMORY_BYTES
    twins.set(key, twin)
    return twin
  }
  /** Reads, and fails when something was written outside of the reader's buffers or is still held. */
  const readChecked = (twin: Twin, read: () => string[]): string[] => {
    const check = (): void => {
      twin.checkZones()
      if (twin.memory.pieces.size > 0) throw makeError('INVARIANT', 'A reader that was closed holds chunk memory.')
    }
    let texts: string[]
    try {
      texts = read()
    } catch (error) {
      check()
      throw error
    }
    check()
    return texts
  }
  return makeDirectTarget('decoder', (path) => {
    const meta = readFileMeta(path)
    const readColumn = ({ name, type }: { readonly name: string; readonly type: object }): string => {
      const twin = twinOf(type)
      const texts = readChecked(twin, () => twin.readColumn(meta, name))
      let turn = texts.length
      const skip = (): number => (turn++ % 3 === 0 ? 0 : (turn * 37) % 150)
      const passed = readChecked(twin, () => twin.readColumn(meta, name, { skip }))
      const isEqual = passed.every((text, row) => text === 'skipped' || text === texts[row])
      if (!isEqual || passed.length !== texts.length) {
        throw makeError('INVARIANT', `Column ${name} has other values when rows are passed over.`)
      }
      return texts.join('|')
    }
    return { rows: () => meta.schema.fields.map(readColumn).join('\n') }
  })
}
