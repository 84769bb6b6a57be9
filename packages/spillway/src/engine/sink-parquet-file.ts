/** `sinkParquet`: workers write row groups into a temporary file; this puts the footer behind them and renames it. */
import { resolve } from 'node:path'
import type { EncoderNeed, EngineCore, QueryOptions, RootSink, SinkParquetOutput, Sizing } from '@spillway/engine'
import {
  beginParquetFile,
  discardParquetFile,
  finishParquetFile,
  PARQUET_BODY_START,
  parquetStorageType,
  temporaryParquetPath,
  writeParquetFooter,
} from '@spillway/formats'
import { type LogicalNode, makeProject, type NamedExpr } from '@spillway/plan'
import { queryCounter } from '@spillway/scheduler'
import { typeEquals } from '@spillway/columnar'
import type { SinkResult } from '../session.ts'
import type { SinkParquetOptions } from './engine-options.ts'

const ROW_GROUP_ROWS = 131_072
const PAGE_BYTES = 1 << 20
/** Codecs without a kernel. */
const codecsOfParquetWasm: ReadonlySet<string> = new Set(['zstd', 'lz4Raw'])
/** The codec's memory ÷ bytes of the row group in Arrow's layout: the stream's copy, pages, the file. Measured. */
const CODEC_FACTOR = 4
/** The same for the JavaScript heap: the stream and the file, and what is not collected yet. Measured. */
const HEAP_FACTOR = 1.8
const HEAP_BYTES = 2e6

export async function writeParquet(
  core: EngineCore,
  plan: LogicalNode,
  path: string,
  options: SinkParquetOptions,
  query: QueryOptions,
): Promise<SinkResult> {
  const target = resolve(path)
  const temporary = temporaryParquetPath(target)
  const rowGroups: SinkParquetOutput[] = []
  const stored = storable(plan)
  beginParquetFile(temporary)
  try {
    const metrics = await core.execute({
      plan: stored,
      options: query,
      makeSink: parquetSink(temporary, options),
      keepsResults: false,
      encoder: encoderNeed(options),
      onAdmitted: ({ slot, control }) => {
        control.count(slot, queryCounter.sinkOffset, PARQUET_BODY_START)
      },
      onOutput: (output) => {
        rowGroups.push(output as SinkParquetOutput)
      },
    })
    rowGroups.sort((a, b) => a.sequence - b.sequence)
    const { rowsOut } = metrics
    const bytes = writeParquetFooter(temporary, { rowGroups, schema: stored.schema, rowCount: rowsOut, keyValue: {} })
    finishParquetFile(temporary, target)
    return { path: target, rowCount: rowsOut, bytes, metrics }
  } catch (error) {
    discardParquetFile(temporary)
    throw error
  }
}

export function parquetSink(temporaryPath: string, options: SinkParquetOptions): RootSink {
  return (facts) => ({
    kind: 'sinkParquet',
    operatorId: facts.operatorId,
    sinkId: facts.sinkId,
    schema: facts.schema,
    temporaryPath,
    compression: options.compression ?? 'snappy',
    compressionLevel: options.compressionLevel,
    statistics: options.statistics ?? true,
    rowGroupRows: options.rowGroupSize ?? ROW_GROUP_ROWS,
    rowGroupBytes: facts.sizing.output.rowGroupBytes,
    pageBytes: pageBytesOf(options.dataPageSize ?? PAGE_BYTES, facts.sizing),
    dictionaryEntries: facts.sizing.output.dictionaryEntries,
    dictionaryBytes: facts.sizing.output.dictionaryBytes,
    isOrdered: facts.isOrdered,
    batchRows: facts.batchRows,
  })
}

/** The wanted size, or what a sizing for little memory allows. */
function pageBytesOf(wanted: number, { output: { pageBytes } }: Sizing): number {
  return pageBytes < PAGE_BYTES ? Math.min(wanted, pageBytes) : wanted
}

/** What encoding takes outside the arena. */
export function encoderNeed({ compression = 'snappy' }: SinkParquetOptions): (sizing: Sizing) => EncoderNeed {
  if (!codecsOfParquetWasm.has(compression)) return () => ({ codecBytes: 0, heapBytes: HEAP_BYTES })
  return ({ output: { rowGroupBytes } }) => ({
    codecBytes: rowGroupBytes * CODEC_FACTOR,
    heapBytes: rowGroupBytes * HEAP_FACTOR + HEAP_BYTES,
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
