/** `sinkParquet`: what its options mean for encoders and file. */
import type { EncoderNeed, QueryOptions, RootSink, Sizing } from '@spillway/engine'
import {
  columnForm,
  compressionLevels,
  type EncoderShape,
  ipcSchemaMessage,
  mayHaveBloomFilter,
  pageCodec,
  PARQUET_HEADER,
  parquetStorageType,
  parquetTail,
  type PlacedRowGroup,
  type RowGroupFooter,
  sizeRowGroupWriter,
} from '@spillway/formats'
import { type LogicalNode, makeProject, type NamedExpr } from '@spillway/plan'
import { WorkspaceSize } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import { findFieldIndex, type Schema, typeEquals, typeName } from '@spillway/columnar'
import type { SinkResult } from '../session.ts'
import type { SinkParquetOptions } from './engine-options.ts'
import { fileOutput } from './output-file-query.ts'
import type { QueryOutput } from './query-outputs.ts'

const ROW_GROUP_ROWS = 131_072
const PAGE_BYTES = 1 << 20
/** Where readers of Arrow find the schema. */
const ARROW_SCHEMA = 'ARROW:schema'

type EncoderRoom = Pick<EncoderShape, 'pageBytes' | 'dictionaryEntries' | 'dictionaryBytes'>
const KIB = 1024
/** Sizes of pages and dictionaries, best first. The first page size is what the options say. */
const encoderRooms: readonly EncoderRoom[] = [
  { pageBytes: PAGE_BYTES, dictionaryEntries: 16_384, dictionaryBytes: 1024 * KIB },
  { pageBytes: 256 * KIB, dictionaryEntries: 4096, dictionaryBytes: 128 * KIB },
  { pageBytes: 64 * KIB, dictionaryEntries: 1024, dictionaryBytes: 32 * KIB },
  { pageBytes: 32 * KIB, dictionaryEntries: 256, dictionaryBytes: 8 * KIB },
]
/** Headers, page indexes and views of a row group in a worker's heap. Measured. */
const HEAP_BYTES = 1e6
/** A page that passes through Node's codecs: its copy, the codec's window and result, and what is not collected yet. */
const OUTSIDE_PAGES = 6
const OUTSIDE_BYTES = 2e6

/** @throws COLUMN_NOT_FOUND, INVALID_OPTION */
export function parquetOutput(
  plan: LogicalNode,
  path: string,
  options: SinkParquetOptions,
  query: QueryOptions,
): QueryOutput<SinkResult> {
  const stored = storable(plan)
  const { schema } = stored
  checkEncoding(schema, options)
  const keyValue = {
    ...options.keyValueMetadata,
    [ARROW_SCHEMA]: Buffer.from(ipcSchemaMessage(schema)).toString('base64'),
  }
  const format = {
    plan: stored,
    header: PARQUET_HEADER,
    makeSink: (temporary: string) => parquetSink(temporary, options),
    encoder: encoderNeed(options),
    tail: (rowGroups: readonly PlacedRowGroup[], rowCount: number) =>
      parquetTail({ rowGroups, schema, rowCount, keyValue }),
  }
  return fileOutput<RowGroupFooter>(path, format, query)
}

/** @throws COLUMN_NOT_FOUND, INVALID_OPTION */
function checkEncoding(
  schema: Schema,
  { bloomFilter = [], compression = 'snappy', compressionLevel, keyValueMetadata = {} }: SinkParquetOptions,
) {
  if (Object.hasOwn(keyValueMetadata, ARROW_SCHEMA)) {
    const message = `Invalid option of sinkParquet: keyValueMetadata has the key "${ARROW_SCHEMA}", which is taken.`
    throw makeError('INVALID_OPTION', `${message} Leave it out.`, { key: ARROW_SCHEMA })
  }
  for (const name of bloomFilter) {
    const field = schema.fields[findFieldIndex(schema, name)]
    if (field === undefined) {
      const known = schema.fields.map((each) => `"${each.name}"`).join(', ')
      throw makeError('COLUMN_NOT_FOUND', `Column of bloomFilter not found: "${name}". There are ${known}.`, {
        column: name,
      })
    }
    if (!mayHaveBloomFilter(columnForm(field))) {
      const message = `Invalid option of sinkParquet: no bloomFilter for ${typeName(field.type)} column "${name}".`
      throw makeError('INVALID_OPTION', `${message} Leave it out.`, { column: name })
    }
  }
  if (compressionLevel === undefined) return
  const [least, greatest] = compressionLevels[compression] ?? []
  if (least === undefined || greatest === undefined) {
    const message = `Invalid option of sinkParquet: compression "${compression}" has no levels.`
    throw makeError('INVALID_OPTION', `${message} Leave compressionLevel out.`, { compression })
  }
  if (compressionLevel >= least && compressionLevel <= greatest) return
  const message = `Invalid option of sinkParquet: compressionLevel ${compressionLevel} of "${compression}".`
  throw makeError('INVALID_OPTION', `${message} Give ${least} to ${greatest}.`, { compression, compressionLevel })
}

export function parquetSink(temporaryPath: string, options: SinkParquetOptions): RootSink {
  return (facts) => ({
    kind: 'sinkParquet',
    operatorId: facts.operatorId,
    sinkId: facts.sinkId,
    schema: facts.schema,
    temporaryPath,
    outputIndex: facts.outputIndex,
    compression: options.compression ?? 'snappy',
    compressionLevel: options.compressionLevel,
    statistics: options.statistics ?? true,
    rowGroupRows: options.rowGroupSize ?? ROW_GROUP_ROWS,
    rowGroupBytes: facts.sizing.output.rowGroupBytes,
    ...encoderRoom(facts, options),
    bloomFilters: options.bloomFilter ?? [],
    isOrdered: facts.isOrdered,
    batchRows: facts.batchRows,
  })
}

/** The first room whose buffers fit into what the sizing suggests, or the least. */
function encoderRoom({ schema, sizing }: Parameters<RootSink>[0], options: SinkParquetOptions): EncoderRoom {
  const wanted = options.dataPageSize ?? PAGE_BYTES
  let room: EncoderRoom = { pageBytes: wanted, dictionaryEntries: 0, dictionaryBytes: 0 }
  for (const [index, each] of encoderRooms.entries()) {
    room = { ...each, pageBytes: index === 0 ? wanted : Math.min(wanted, each.pageBytes) }
    const size = new WorkspaceSize()
    sizeRowGroupWriter(
      schema,
      {
        ...room,
        codec: pageCodec(options.compression ?? 'snappy', options.compressionLevel),
        statistics: true,
        bloomFilters: options.bloomFilter ?? [],
        rowGroupRows: options.rowGroupSize ?? ROW_GROUP_ROWS,
      },
      size,
    )
    if (size.bytes <= sizing.output.encoderBytes) return room
  }
  return room
}

/** What encoding takes outside the arena: little, but for codecs that are Node's. */
export function encoderNeed({
  compression,
  dataPageSize = PAGE_BYTES,
}: SinkParquetOptions): (sizing: Sizing) => EncoderNeed {
  if (compression !== 'gzip' && compression !== 'brotli') return () => ({ heapBytes: HEAP_BYTES })
  return ({ output: { encoderBytes } }) => ({
    heapBytes: HEAP_BYTES + OUTSIDE_BYTES + OUTSIDE_PAGES * Math.min(dataPageSize, encoderBytes),
  })
}

/** Casts what Parquet has no form for (timestamps in seconds). */
function storable(plan: LogicalNode): LogicalNode {
  const { fields } = plan.schema
  if (fields.every(({ type }) => typeEquals(parquetStorageType(type), type))) return plan
  const exprs = fields.map(({ name, type, nullable }): NamedExpr => {
    const operand = { kind: 'column', name, type, nullable } as const
    const target = parquetStorageType(type)
    return {
      name,
      expr: typeEquals(target, type) ? operand : { kind: 'cast', operand, type: target, strict: true, nullable },
    }
  })
  return makeProject(plan, exprs)
}
