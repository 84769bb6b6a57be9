/**
 * What the fuzzer drives: a reader of whole files. One goes through an engine, as users do; one drives the decoder of
 * the format layer directly, without workers, so that a finding can be stepped through. A new reader needs one
 * function.
 */
import { createHash } from 'node:crypto'
import { createEngine, type Engine } from 'spillway'
import { tableOfArrow } from '../arrow-cells.ts'
import { formatsTestingUrl, formatsUrl } from './writer-packages.ts'

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

/** Reads through `scanParquet(...).collect()` on one engine with one worker. */
export function openEngineTarget(memoryLimit: string): FuzzTarget {
  const engine: Engine = createEngine({ threads: 1, memoryLimit })
  return {
    name: 'engine',
    async read(path) {
      const frame = await engine.scanParquet(path).collect()
      const hash = createHash('md5').update(`${frame.height} rows, ${frame.columns.join(' ')}`)
      const { rows } = tableOfArrow(frame.toArrow())
      for (const row of rows) hash.update(row.map(String).join('|'))
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
  /** Rows of one row group by column, as anything that prints alike for alike values. @throws typed errors */
  readRowGroup(rowGroup: number): string
  readonly rowGroupCount: number
}

/** A target over a reader of row groups that runs on this thread. */
export function makeDirectTarget(name: string, open: (path: string) => OpenedFile): FuzzTarget {
  return {
    name,
    async read(path) {
      const file = open(path)
      const hash = createHash('md5')
      for (let rowGroup = 0; rowGroup < file.rowGroupCount; rowGroup++) hash.update(file.readRowGroup(rowGroup))
      return hash.digest('hex')
    },
    findLeftovers: async () => undefined,
    close: async () => {},
  }
}

/** The part of the format layer that `openDecoderTarget` uses. */
interface FormatLayer {
  parquetWasmModule(): Promise<WebAssembly.Module>
  readFileMeta(path: string): {
    readonly rowGroups: readonly unknown[]
    readonly schema: { readonly fields: readonly { readonly name: string }[] }
  }
  readonly ParquetDecoder: new (
    module: WebAssembly.Module,
  ) => {
    decode(
      path: string,
      meta: object,
      rowGroup: number,
      columns: readonly string[],
      batchRows: number,
    ): {
      readonly batches: readonly { readonly rowCount: number; readonly columns: readonly DecodedColumn[] }[]
      free(): void
    }
  }
}

interface DecodedColumn {
  readonly length: number
  readonly values?: ArrayBufferView
  readonly validity?: ArrayBufferView | undefined
}

/** The decoder over parquet-wasm, on this thread. */
export async function openDecoderTarget(): Promise<FuzzTarget> {
  const layer = { ...(await import(formatsUrl.href)), ...(await import(formatsTestingUrl.href)) } as FormatLayer
  const decoder = new layer.ParquetDecoder(await layer.parquetWasmModule())
  return makeDirectTarget('decoder', (path) => {
    const meta = layer.readFileMeta(path)
    const columns = meta.schema.fields.map(({ name }) => name)
    return {
      rowGroupCount: meta.rowGroups.length,
      readRowGroup(rowGroup) {
        const decoded = decoder.decode(path, meta, rowGroup, columns, 4096)
        try {
          return decoded.batches.map((batch) => `${batch.rowCount}: ${batch.columns.map(printColumn).join(';')}`).join()
        } finally {
          decoded.free()
        }
      },
    }
  })
}

function printColumn({ length, values, validity }: DecodedColumn): string {
  const text = (view: ArrayBufferView | undefined): string =>
    view === undefined ? '' : Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('latin1')
  return `${length} ${text(values)} ${text(validity)}`
}
