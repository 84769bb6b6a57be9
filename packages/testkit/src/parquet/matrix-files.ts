/**
 * Settings of the writers that make the files of the Parquet matrix, each as a named function from a table of the
 * oracle to a file. DuckDB picks encodings by itself; parquet-wasm (arrow-rs) takes all settings; hyparquet-writer
 * writes required columns and encodings of its own; our own sink takes codecs and sizes.
 */
import { writeFileSync } from 'node:fs'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { makeError } from '@spillway/stdx'
import { tableFromIPC } from 'apache-arrow'
import { type Engine, fromArrow } from 'spillway'
import type { ResultTable } from '../cells.ts'
import { type Oracle, quoteText } from '../duckdb-oracle.ts'
import { type MatrixColumn, matrixColumns, type StorageGroup } from './matrix-data.ts'
import { openHyparquetWriter, openParquetWasm } from './writer-packages.ts'

/** What a writer starts from. */
export interface MatrixSource {
  readonly oracle: Oracle
  /** Name of the oracle's table. */
  readonly table: string
  /** The same rows. */
  readonly cells: ResultTable
  /** The same rows as an Arrow IPC stream, as parquet-wasm takes them. */
  readonly ipcStream: Uint8Array
  /** Writes the files of our own. */
  readonly engine: Engine
}

export interface FileSetting {
  readonly name: string
  readonly writer: 'duckdb' | 'arrow-rs' | 'hyparquet' | 'spillway'
  /** Columns that the file has; all when undefined. */
  readonly columns: readonly string[] | undefined
  write(source: MatrixSource, path: string): Promise<void>
}

const duckdbCodecs = ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw'] as const

function duckdbSettings(): FileSetting[] {
  return duckdbCodecs.flatMap((codec) =>
    ['V1', 'V2'].flatMap((version) =>
      [2048, 122_880].map((rowGroupRows) => ({
        name: `duckdb ${codec} ${version} groups of ${rowGroupRows}`,
        writer: 'duckdb' as const,
        columns: undefined,
        write: async ({ oracle, table }: MatrixSource, path: string) => {
          const format = `FORMAT PARQUET, PARQUET_VERSION ${version}`
          const options = `${format}, COMPRESSION ${codec}, ROW_GROUP_SIZE ${rowGroupRows}`
          await oracle.execute(`COPY (FROM ${table}) TO ${quoteText(path)} (${options})`)
        },
      })),
    ),
  )
}

const encodingPlans = ['dictionary', 'plain', 'delta', 'prefix', 'split'] as const
export type EncodingPlan = (typeof encodingPlans)[number]

const arrowEncodings: Readonly<Record<EncodingPlan, Readonly<Partial<Record<StorageGroup, string>>>>> = {
  dictionary: {},
  plain: {},
  delta: { boolean: 'RLE', int: 'DELTA_BINARY_PACKED', text: 'DELTA_LENGTH_BYTE_ARRAY' },
  prefix: { text: 'DELTA_BYTE_ARRAY', fixed: 'DELTA_BYTE_ARRAY' },
  split: { int: 'BYTE_STREAM_SPLIT', float: 'BYTE_STREAM_SPLIT', fixed: 'BYTE_STREAM_SPLIT' },
}

export interface ArrowSetting {
  readonly encoding: EncodingPlan
  readonly codec: string
  readonly version: 'V1' | 'V2'
  /** Bytes of a data page; small ones make many pages and let dictionaries overflow. */
  readonly pageBytes: number
  readonly rowGroupRows: number
  readonly statistics: 'None' | 'Chunk' | 'Page'
}

/** A file written by arrow-rs with these settings. */
export async function encodeWithArrow(
  ipcStream: Uint8Array,
  setting: ArrowSetting,
  columns: readonly MatrixColumn[] = matrixColumns,
): Promise<Uint8Array> {
  const wasm = await openParquetWasm()
  const numberOf = (table: Readonly<Record<string, number>>, name: string): number => {
    const value = table[name]
    if (value === undefined) throw makeError('INVARIANT', `parquet-wasm does not know ${name}.`)
    return value
  }
  let builder = new wasm.WriterPropertiesBuilder()
    .setCompression(numberOf(wasm.Compression, setting.codec))
    .setWriterVersion(numberOf(wasm.WriterVersion, setting.version))
    .setDictionaryEnabled(setting.encoding === 'dictionary')
    .setDataPageSizeLimit(setting.pageBytes)
    .setDictionaryPageSizeLimit(setting.pageBytes * 4)
    .setWriteBatchSize(setting.pageBytes < 4096 ? 64 : 1024)
    .setMaxRowGroupSize(setting.rowGroupRows)
    .setStatisticsEnabled(numberOf(wasm.EnabledStatistics, setting.statistics))
  for (const { name, storage } of columns) {
    const encoding = arrowEncodings[setting.encoding][storage]
    if (encoding !== undefined) builder = builder.setColumnEncoding(name, numberOf(wasm.Encoding, encoding))
  }
  return wasm.writeParquet(wasm.Table.fromIPCStream(ipcStream), builder.build())
}

export const arrowCodecs = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'ZSTD', 'BROTLI', 'LZ4_RAW'] as const

function arrowSettings(): FileSetting[] {
  const settings: FileSetting[] = []
  for (const encoding of encodingPlans) {
    for (const codec of arrowCodecs) {
      for (const version of ['V1', 'V2'] as const) {
        for (const pageBytes of [512, 1 << 20]) {
          const rowGroupRows = pageBytes === 512 ? 1000 : 1 << 20
          const statistics = { UNCOMPRESSED: 'None', SNAPPY: 'Page' }[codec as string] ?? 'Chunk'
          const setting = { encoding, codec, version, pageBytes, rowGroupRows, statistics } as ArrowSetting
          settings.push({
            name: `arrow-rs ${encoding} ${codec} ${version} pages of ${pageBytes}`,
            writer: 'arrow-rs',
            columns: undefined,
            write: async ({ ipcStream }, path) => writeFileSync(path, await encodeWithArrow(ipcStream, setting)),
          })
        }
      }
    }
  }
  return settings
}

/** Type in hyparquet-writer and its encodings besides the default one, for columns whose cells it can take. */
const hyparquetColumns: Readonly<Record<string, { readonly type: string; readonly encodings: readonly string[] }>> = {
  row: { type: 'INT64', encodings: ['PLAIN', 'DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT'] },
  boolean: { type: 'BOOLEAN', encodings: ['PLAIN', 'RLE', 'PLAIN'] },
  int32: { type: 'INT32', encodings: ['PLAIN', 'DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT'] },
  int64: { type: 'INT64', encodings: ['PLAIN', 'DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT'] },
  float32: { type: 'FLOAT', encodings: ['PLAIN', 'PLAIN', 'BYTE_STREAM_SPLIT'] },
  float64: { type: 'DOUBLE', encodings: ['PLAIN', 'PLAIN', 'BYTE_STREAM_SPLIT'] },
  text: { type: 'STRING', encodings: ['PLAIN', 'DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY'] },
}

const hyparquetCodecs = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI'] as const

/** A file written by hyparquet-writer; columns without nulls are required ones. */
export async function encodeWithHyparquet(
  cells: ResultTable,
  codec: string,
  encoding: number | undefined,
  pageBytes: number,
): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await openHyparquetWriter()
  const columnData = Object.entries(hyparquetColumns).map(([name, { type, encodings }]) => {
    const at = cells.names.indexOf(name)
    const data = cells.rows.map((row) => {
      const cell = row[at] ?? null
      return type === 'INT32' && cell !== null ? Number(cell) : cell
    })
    const chosen = encoding === undefined ? undefined : encodings[encoding]
    return {
      name,
      data,
      type,
      nullable: data.includes(null),
      columnIndex: true,
      ...(chosen === undefined ? {} : { encoding: chosen }),
    }
  })
  const compressors = {
    GZIP: (input: Uint8Array) => gzipSync(input),
    BROTLI: (input: Uint8Array) => brotliCompressSync(input),
  }
  return new Uint8Array(parquetWriteBuffer({ columnData, codec, compressors, pageSize: pageBytes, rowGroupSize: 1000 }))
}

function hyparquetSettings(): FileSetting[] {
  return hyparquetCodecs.flatMap((codec) =>
    [undefined, 0, 1, 2].map((encoding) => {
      const pageBytes = encoding === 1 ? 512 : 1 << 20
      return {
        name: `hyparquet ${codec} encoding ${encoding ?? 'automatic'} pages of ${pageBytes}`,
        writer: 'hyparquet' as const,
        columns: Object.keys(hyparquetColumns),
        write: async ({ cells }: MatrixSource, path: string) =>
          writeFileSync(path, await encodeWithHyparquet(cells, codec, encoding, pageBytes)),
      }
    }),
  )
}

const ownCodecs = ['uncompressed', 'snappy', 'zstd', 'lz4Raw', 'gzip', 'brotli'] as const

function ownSettings(): FileSetting[] {
  return ownCodecs.flatMap((compression) =>
    [
      { dataPageSize: 512, rowGroupSize: 1000 },
      { dataPageSize: 1 << 20, rowGroupSize: 122_880, statistics: false },
    ].map((sizes) => ({
      name: `spillway ${compression} pages of ${sizes.dataPageSize}`,
      writer: 'spillway' as const,
      columns: undefined,
      write: async ({ engine, ipcStream }: MatrixSource, path: string) => {
        await fromArrow(tableFromIPC(ipcStream), engine)
          .lazy()
          .sinkParquet(path, { compression, ...sizes })
      },
    })),
  )
}

/** Every setting of every writer. */
export const fileSettings: readonly FileSetting[] = [
  ...duckdbSettings(),
  ...arrowSettings(),
  ...hyparquetSettings(),
  ...ownSettings(),
]
