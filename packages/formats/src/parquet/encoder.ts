/** Encodes one row group at a time, on a worker: an Arrow IPC stream becomes a Parquet file of one row group. */
import { makeError } from '@spillway/stdx'
import { Compression, EnabledStatistics, Table, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm/esm'
import { openParquetWasm } from './codec-memory.ts'
import { parseFooterBytes } from './footer.ts'

export type ParquetCompression = 'snappy' | 'zstd' | 'lz4Raw' | 'gzip' | 'brotli' | 'uncompressed'

export interface ParquetEncodeOptions {
  readonly compression: ParquetCompression
  /** Level of the codec. parquet-wasm uses each codec's default; the value is accepted and has no effect yet. */
  readonly level: number | undefined
  /** Write minimum, maximum and null count of each chunk. */
  readonly statistics: boolean
  /** Rows of the IPC stream; the written footer is checked against it. */
  readonly rowCount: number
}

const compressions = {
  snappy: Compression.SNAPPY,
  zstd: Compression.ZSTD,
  lz4Raw: Compression.LZ4_RAW,
  gzip: Compression.GZIP,
  brotli: Compression.BROTLI,
  uncompressed: Compression.UNCOMPRESSED,
} as const satisfies Record<ParquetCompression, Compression>

/** Greater than the rows of any row group that the engine makes, so that one call writes one row group. */
const ROW_GROUP_ROWS_MAX = 0x7fff_ffff

/** One per worker. Shares the instance of parquet-wasm with the thread's decoder. */
export class ParquetEncoder {
  readonly #memory: WebAssembly.Memory

  constructor(module: WebAssembly.Module) {
    this.#memory = openParquetWasm(module)
  }

  /**
   * Encodes an Arrow IPC stream (schema, batches, end marker) as a Parquet file with at most one row group; a stream
   * without rows gives a file with the schema and no row group.
   * Timestamps in seconds have no Parquet form: cast to `parquetStorageType(type)` before.
   * @throws ResourceError OUTPUT_FAILED
   */
  encodeRowGroup(ipcStream: Uint8Array, options: ParquetEncodeOptions): Uint8Array {
    const file = runWriter(ipcStream, options)
    // The writer is checked, not trusted: a short file is a silent loss of rows.
    const { rowCount, rowGroups } = parseFooterBytes(file, 'the encoded row group')
    if (rowCount !== options.rowCount || rowGroups.length > 1) {
      const message = `Parquet encoding failed: ${rowCount} of ${options.rowCount} rows in ${rowGroups.length} groups.`
      throw makeError('OUTPUT_FAILED', message, { rowCount })
    }
    return file
  }

  /** Bytes of parquet-wasm's memory, which never shrinks. */
  memoryBytes(): number {
    return this.#memory.buffer.byteLength
  }
}

function runWriter(ipcStream: Uint8Array, options: ParquetEncodeOptions): Uint8Array {
  try {
    const table = Table.fromIPCStream(ipcStream)
    // Builder methods consume the builder, and writeParquet consumes both handles, also when it fails.
    const properties = new WriterPropertiesBuilder()
      .setCompression(compressions[options.compression])
      .setStatisticsEnabled(options.statistics ? EnabledStatistics.Chunk : EnabledStatistics.None)
      // Building dictionaries more than doubles the time; a codec folds repeated values almost as well.
      .setDictionaryEnabled(options.compression === 'uncompressed')
      .setMaxRowGroupSize(ROW_GROUP_ROWS_MAX)
      .setCreatedBy('spillway')
      .build()
    return writeParquet(table, properties)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw makeError('OUTPUT_FAILED', `Parquet encoding failed: ${reason}.`, {}, { cause })
  }
}
