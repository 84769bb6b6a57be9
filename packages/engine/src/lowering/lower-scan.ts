/** Sources: which morsels there are, decided on the main thread from metadata alone. */
import {
  hasOwnLength,
  type Field,
  findFieldIndex,
  hasField,
  makeSchema,
  type Schema,
  type SharedTable,
  typeEquals,
  typeName,
  widthOf,
} from '@spillway/columnar'
import {
  columnError,
  dictionaryBytesStored,
  type ParquetChunk,
  type ParquetCodec,
  readDictionarySize,
  type ParquetFileMeta,
  type ReaderColumn,
  requireChunk,
  scannedType,
  zstdPageWindowBytes,
} from '@spillway/formats'
import { PAGE_BYTES } from '@spillway/kernels'
import {
  columnsUsed,
  conjunctsOf,
  type FileScan,
  type Generated,
  type InMemory,
  joinConjuncts,
  mayRaise,
  type ScanParquet,
  type TypedExpr,
} from '@spillway/plan'
import { assert, makeError } from '@spillway/stdx'
import { type CodeCondition, VERDICT_BATCH_ROWS } from '../operators/scan-file/code-filter.ts'
import type { ParquetMorsel } from '../operators/scan-parquet/scan-parquet.ts'
import { cutTable } from '../operators/scan-table/scan-table.ts'
import type { Sizing } from '../physical/physical-plan.ts'
import { canBeCodes } from '../pipeline/column-codes.ts'
import type { Lowering } from './lower-plan.ts'
import { addSelection, type Stream } from './stream.ts'

/** The columns that a scan reads: its output's, then those that only its predicate needs. */
export function scanFields(node: FileScan): Field[] {
  const needed = new Set(node.columns)
  if (node.predicate !== undefined) for (const name of columnsUsed(node.predicate)) needed.add(name)
  return [
    ...node.schema.fields,
    ...node.fileSchema.fields.filter((field) => needed.has(field.name) && !hasField(node.schema, field.name)),
  ]
}

export function lowerScanParquet(lowering: Lowering, node: ScanParquet): Stream {
  const fields = scanFields(node)
  const schema = makeSchema(fields)
  const { files } = lowering.context
  const metas = node.files.map((path) => files.parquet(path))
  const { binaryAsString } = node.reading
  for (const meta of metas) requirePlannedColumns(meta, fields, 'scanParquet', binaryAsString)
  lowering.context.shareFooters(metas)
  const versions = metas.map(({ fileBytes, modifiedNs }) => ({ fileBytes, modifiedNs }))
  const { morsels, total } = files.morselsOf(node)
  const { sizing } = lowering.context
  const wantedWindow = sharedWindow(node, fields.length, sizing)
  const filterColumns = node.predicate === undefined ? new Set<string>() : columnsUsed(node.predicate)
  const stream: Stream = {
    source: {
      kind: 'scanParquet',
      operatorId: lowering.nextOperatorId(),
      files: node.files,
      versions,
      footerDigests: metas.map(({ footerDigest }) => footerDigest),
      schema,
      morsels,
      batchRows: sizing.batchRows,
      columns: readerColumns(metas, fields, morsels, wantedWindow),
      widths: fields.map((field) => widthOf(field.type)),
      windowBytes: windowBytes(metas, fields, morsels, wantedWindow),
      dictionaryPages: dictionaryPages(metas, fields, morsels),
      filter: node.predicate === undefined ? undefined : lowering.compileFilter(schema, node.predicate),
      codeConditions: codeConditions(lowering, node, schema, metas, morsels),
      filterColumns: fields.flatMap(({ name }, index) => (filterColumns.has(name) ? [index] : [])),
      maxConcurrentFiles: node.reading.maxConcurrentFiles,
      top: undefined,
      builds: [],
      filterOnlyColumns: fields.flatMap((_, index) => (index < node.schema.fields.length ? [] : [index])),
      dictionaryColumns: fields.flatMap(({ name }, index) =>
        morsels.some((morsel) => hasDictionary(metas, morsel, name)) ? [index] : [],
      ),
      codedColumns: [],
      rowGroupsTotal: total,
      rowGroupsSkipped: total - new Set(morsels.map(({ file, rowGroup }) => `${file}:${rowGroup}`)).size,
    },
    morselCount: morsels.length,
    steps: [],
    schema,
    isOrdered: true,
    isSerial: false,
  }
  return addSelection(stream, node.schema)
}

/** One budget for what is decoded ahead in all files: each reading worker has a window for each column. */
function sharedWindow({ reading }: ScanParquet, columns: number, { threads, windowBytes }: Sizing): number {
  if (reading.readAheadBytes === undefined) return windowBytes
  const readers = Math.min(threads, reading.maxConcurrentFiles ?? threads)
  return Math.min(windowBytes, Math.floor(reading.readAheadBytes / (readers * Math.max(1, columns))))
}

/**
 * The filter as conditions on one column each, which may be judged by dictionary codes; none when it is no such
 * conjunction, or no row group has dictionaries for all its columns.
 */
function codeConditions(
  lowering: Lowering,
  { predicate }: ScanParquet,
  schema: Schema,
  metas: readonly ParquetFileMeta[],
  morsels: readonly ParquetMorsel[],
): CodeCondition[] {
  if (predicate === undefined || mayRaise(predicate)) return []
  const byColumn = new Map<string, TypedExpr[]>()
  for (const condition of conjunctsOf(predicate)) {
    const [name, ...others] = columnsUsed(condition)
    const field = schema.fields.find((candidate) => candidate.name === name)
    if (name === undefined || others.length > 0 || field === undefined || !canBeCodes(widthOf(field.type))) return []
    byColumn.set(name, [...(byColumn.get(name) ?? []), condition])
  }
  const names = [...byColumn.keys()]
  if (!morsels.some((morsel) => names.every((name) => hasDictionary(metas, morsel, name)))) return []
  return names.map((name) => {
    const column = findFieldIndex(schema, name)
    const condition = joinConjuncts(byColumn.get(name) ?? [])
    assert(column >= 0 && condition !== undefined, 'a filter reads columns of its scan')
    return { column, stage: { ...lowering.compileFilter(schema, condition), batchRows: VERDICT_BATCH_ROWS } }
  })
}

function hasDictionary(metas: readonly ParquetFileMeta[], { file, rowGroup }: ParquetMorsel, name: string): boolean {
  return requireChunk(metas[file] as ParquetFileMeta, rowGroup, name).dictionaryPageOffset !== undefined
}

/** What each column's reader must be able to read, over all row groups. */
function readerColumns(
  metas: readonly ParquetFileMeta[],
  fields: readonly Field[],
  morsels: readonly ParquetMorsel[],
  wantedWindow: number,
): ReaderColumn[] {
  return fields.map(({ name, type }) => {
    const codecs = new Set<ParquetCodec>()
    let largest = 0
    let zstd: { meta: ParquetFileMeta; chunk: ParquetChunk } | undefined
    for (const { file, rowGroup } of morsels) {
      const meta = metas[file] as ParquetFileMeta
      const chunk = requireChunk(meta, rowGroup, name)
      codecs.add(chunk.codec)
      largest = Math.max(largest, chunk.compressedBytes)
      const isLargest = chunk.uncompressedBytes > (zstd?.chunk.uncompressedBytes ?? WINDOW_BYTES_MIN)
      if (chunk.codec === 'zstd' && isLargest) zstd = { meta, chunk }
    }
    const inputBytes = Math.min(wantedWindow >>> 2, largest + WINDOW_SLACK_BYTES)
    // Taken with the query's floor: pages in a row could not be had later, when rows lie between those that are free.
    const windowBytes = zstd === undefined ? 0 : zstdPageWindowBytes(zstd.meta, zstd.chunk)
    return { type, codecs: [...codecs], inputBytes, windowBytes }
  })
}

/** No more than the largest chunk needs. */
function windowBytes(
  metas: readonly ParquetFileMeta[],
  fields: readonly Field[],
  morsels: readonly ParquetMorsel[],
  wanted: number,
): number {
  let largest = 0
  for (const { file, rowGroup } of morsels) {
    const meta = metas[file] as ParquetFileMeta
    for (const { name } of fields) largest = Math.max(largest, requireChunk(meta, rowGroup, name).uncompressedBytes)
  }
  const whole = largest + WINDOW_SLACK_BYTES
  // A chunk that a small window holds as a whole needs no more: files of thousands of columns are made of such.
  return whole <= SMALL_WINDOW_BYTES ? SMALL_WINDOW_BYTES : Math.max(WINDOW_BYTES_MIN, Math.min(wanted, whole))
}

/** Pages of the largest dictionary of each column. One header per column is read: where the stored one is largest. */
function dictionaryPages(
  metas: readonly ParquetFileMeta[],
  fields: readonly Field[],
  morsels: readonly ParquetMorsel[],
): number {
  let pages = 0
  for (const { name, type } of fields) {
    let largest: { meta: ParquetFileMeta; chunk: ParquetChunk; bytes: number } | undefined
    for (const { file, rowGroup } of morsels) {
      const meta = metas[file] as ParquetFileMeta
      const chunk = requireChunk(meta, rowGroup, name)
      const bytes = dictionaryBytesStored(chunk)
      if (bytes > (largest?.bytes ?? 0)) largest = { meta, chunk, bytes }
    }
    if (largest === undefined) continue
    const { values, uncompressedBytes } = readDictionarySize(largest.meta, largest.chunk)
    pages += Math.ceil((values * widthOf(type) + DICTIONARY_SLACK_BYTES) / PAGE_BYTES)
    if (hasOwnLength(type)) pages += Math.ceil((uncompressedBytes + DICTIONARY_SLACK_BYTES) / PAGE_BYTES)
  }
  return pages
}

const DICTIONARY_SLACK_BYTES = 1024
const WINDOW_BYTES_MIN = 160 * 1024
const SMALL_WINDOW_BYTES = 64 * 1024
/** What a window needs beyond the page that it holds. */
const WINDOW_SLACK_BYTES = 4096

/** The file may have been replaced since the plan was made: the code was typed for the columns of then. */
export function requirePlannedColumns(
  meta: Pick<ParquetFileMeta, 'path' | 'schema' | 'leftOut'>,
  planned: readonly Field[],
  call: string,
  binaryAsString = false,
): void {
  for (const { name, type, nullable } of planned) {
    const found = meta.schema.fields[findFieldIndex(meta.schema, name)]
    if (found === undefined) throw columnError(meta.path, meta.leftOut, name)
    const isOfType = typeEquals(scannedType(found.type, binaryAsString), type)
    if (isOfType && (nullable || !found.nullable)) continue
    const now = `${typeName(found.type)}${found.nullable ? '' : ' not null'}`
    const then = `${typeName(type)}${nullable ? '' : ' not null'}`
    throw makeError(
      'SCHEMA_MISMATCH',
      `File changed since the query was built: column "${name}" is ${now} instead of ${then} in ${meta.path}. ` +
        `Call ${call} again.`,
      { file: meta.path, column: name },
    )
  }
}

export function lowerInMemory(lowering: Lowering, node: InMemory): Stream {
  const table = node.table as SharedTable
  const positions = node.columns.map((name) => {
    const position = findFieldIndex(table.schema, name)
    assert(position >= 0, 'an in-memory scan reads columns of its table')
    return position
  })
  const { sizing, tableIdOf } = lowering.context
  const morsels = cutTable(table, node.slice, sizing.morselRows)
  return {
    source: {
      kind: 'scanTable',
      operatorId: lowering.nextOperatorId(),
      tableId: tableIdOf(table),
      schema: node.schema,
      positions,
      morsels,
      batchRows: sizing.batchRows,
    },
    morselCount: morsels.length,
    steps: [],
    schema: node.schema,
    isOrdered: true,
    isSerial: false,
  }
}

export function lowerGenerated(lowering: Lowering, node: Generated): Stream {
  const { sizing } = lowering.context
  const offset = Math.min(node.slice?.offset ?? 0, node.rowCount)
  const rowCount = Math.min(node.rowCount - offset, node.slice?.length ?? Number.POSITIVE_INFINITY)
  return {
    source: {
      kind: 'generate',
      operatorId: lowering.nextOperatorId(),
      label: 'GENERATE',
      schema: node.schema,
      columns: node.columns,
      offset,
      rowCount,
      morselRows: sizing.morselRows,
      batchRows: sizing.batchRows,
    },
    morselCount: Math.ceil(rowCount / sizing.morselRows),
    steps: [],
    schema: node.schema,
    isOrdered: true,
    isSerial: false,
  }
}
