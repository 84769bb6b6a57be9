/**
 * The Parquet packages that test files are written with (parquet-wasm and hyparquet-writer) and our own format layer.
 * They are found through the packages that depend on them, so that testkit adds no dependency; their interfaces are
 * spelled out here, as far as tests use them.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

type Handle = object

/** Builder methods consume the builder and give the next one. */
export interface WriterPropertiesBuilder {
  build(): Handle
  setColumnDictionaryEnabled(column: string, value: boolean): WriterPropertiesBuilder
  setColumnEncoding(column: string, value: number): WriterPropertiesBuilder
  setCompression(value: number): WriterPropertiesBuilder
  setDataPageSizeLimit(value: number): WriterPropertiesBuilder
  setDictionaryEnabled(value: boolean): WriterPropertiesBuilder
  setDictionaryPageSizeLimit(value: number): WriterPropertiesBuilder
  setMaxRowGroupSize(value: number): WriterPropertiesBuilder
  setStatisticsEnabled(value: number): WriterPropertiesBuilder
  setWriteBatchSize(value: number): WriterPropertiesBuilder
  setWriterVersion(value: number): WriterPropertiesBuilder
}

export interface ParquetWasm {
  readonly Compression: Readonly<Record<string, number>>
  readonly Encoding: Readonly<Record<string, number>>
  readonly EnabledStatistics: Readonly<Record<'None' | 'Chunk' | 'Page', number>>
  readonly WriterVersion: Readonly<Record<'V1' | 'V2', number>>
  readonly WriterPropertiesBuilder: new () => WriterPropertiesBuilder
  readonly Table: { fromIPCStream(bytes: Uint8Array): Handle }
  readParquet(bytes: Uint8Array, options?: { batchSize?: number }): Handle & { intoIPCStream(): Uint8Array }
  /** Consumes both handles. */
  writeParquet(table: Handle, properties: Handle): Uint8Array
}

export interface HyparquetColumn {
  readonly name: string
  readonly data: readonly unknown[]
  readonly type: string
  readonly nullable: boolean
  readonly encoding?: string
  readonly columnIndex?: boolean
  readonly bloomFilter?: boolean
}

export interface HyparquetWriter {
  parquetWriteBuffer(options: {
    columnData: readonly HyparquetColumn[]
    schema?: readonly Readonly<Record<string, unknown>>[]
    codec?: string
    compressors?: Readonly<Record<string, (input: Uint8Array) => Uint8Array>>
    pageSize?: number
    rowGroupSize?: number
    statistics?: boolean
  }): ArrayBuffer
}

const spillwayFile = createRequire(import.meta.url).resolve('spillway')
const formatsFile = createRequire(spillwayFile).resolve('@spillway/formats')

/** Where our own format layer lies, for harnesses that drive it without an engine. */
export const formatsUrl = pathToFileURL(formatsFile)
/** Its decoder over parquet-wasm, which is there for tests. */
export const formatsTestingUrl = pathToFileURL(createRequire(spillwayFile).resolve('@spillway/formats/testing'))

function loadFromFormats<T>(specifier: string): Promise<T> {
  return import(pathToFileURL(createRequire(formatsFile).resolve(specifier)).href) as Promise<T>
}

let wasm: Promise<ParquetWasm> | undefined
/** arrow-rs, compiled to WebAssembly: its own instance, not the one that the engine's workers use. */
export function openParquetWasm(): Promise<ParquetWasm> {
  wasm ??= loadFromFormats<ParquetWasm & { default?: ParquetWasm }>('parquet-wasm/node').then(
    (module) => module.default ?? module,
  )
  return wasm
}

let writer: Promise<HyparquetWriter> | undefined
export function openHyparquetWriter(): Promise<HyparquetWriter> {
  writer ??= loadFromFormats<HyparquetWriter>('hyparquet-writer')
  return writer
}
