/** Sources: which morsels there are, decided on the main thread from metadata alone. */
import { type Field, makeSchema, type SharedTable, typeEquals, typeName } from '@spillway/columnar'
import {
  columnError,
  ParquetDecoder,
  type ParquetFileMeta,
  pruneScan,
  readFileMeta,
  type RowRange,
} from '@spillway/formats'
import { columnsUsed, type Generated, type InMemory, type ScanParquet } from '@spillway/plan'
import { assert, makeError } from '@spillway/stdx'
import type { ParquetMorsel } from '../operators/scan-parquet/scan-parquet.ts'
import { cutTable } from '../operators/scan-table/scan-table.ts'
import type { Lowering } from './lower-plan.ts'
import { addFilter, addSelection, type Stream } from './stream.ts'

export function lowerScanParquet(lowering: Lowering, node: ScanParquet): Stream {
  const needed = new Set(node.columns)
  if (node.predicate !== undefined) for (const name of columnsUsed(node.predicate)) needed.add(name)
  const fields = [
    ...node.schema.fields,
    ...node.fileSchema.fields.filter(
      (field) => needed.has(field.name) && !node.schema.fields.some((own) => own.name === field.name),
    ),
  ]
  const schema = makeSchema(fields)
  const versions = node.files.map((path) => {
    const meta = readFileMeta(path)
    requirePlannedColumns(meta, fields)
    return { fileBytes: meta.fileBytes, modifiedNs: meta.modifiedNs }
  })
  const { morsels, total } = listMorsels(node)
  const columns = fields.map((field) => field.name)
  for (const morsel of morsels) {
    const meta = readFileMeta(node.files[morsel.file] as string)
    lowering.codecBytes = Math.max(lowering.codecBytes, ParquetDecoder.needBytes(meta, morsel.rowGroup, columns))
  }
  const stream: Stream = {
    source: {
      kind: 'scanParquet',
      operatorId: lowering.nextOperatorId(),
      files: node.files,
      versions,
      schema,
      morsels,
      batchRows: lowering.context.sizing.batchRows,
      rowGroupsTotal: total,
      rowGroupsSkipped: total - morsels.length,
    },
    morselCount: morsels.length,
    steps: [],
    schema,
    isOrdered: true,
    isSerial: false,
  }
  if (node.predicate === undefined) return stream
  return addSelection(addFilter(stream, node.predicate), node.schema)
}

/** The file may have been replaced since the plan was made: the code was typed for the columns of then. */
function requirePlannedColumns(meta: ParquetFileMeta, planned: readonly Field[]): void {
  for (const { name, type, nullable } of planned) {
    const found = meta.schema.fields.find((field) => field.name === name)
    if (found === undefined) throw columnError(meta.path, meta.leftOut, name)
    if (typeEquals(found.type, type) && (nullable || !found.nullable)) continue
    const now = `${typeName(found.type)}${found.nullable ? '' : ' not null'}`
    const then = `${typeName(type)}${nullable ? '' : ' not null'}`
    throw makeError(
      'SCHEMA_MISMATCH',
      `File changed since the query was built: column "${name}" is ${now} instead of ${then} in ${meta.path}. ` +
        'Call scanParquet again.',
      { file: meta.path, column: name },
    )
  }
}

/** Row groups that may hold a wanted row, cut to the slice and, by page indexes, to ranges of rows. */
export function listMorsels(node: ScanParquet): { morsels: ParquetMorsel[]; total: number } {
  const morsels: ParquetMorsel[] = []
  let total = 0
  let skip = node.slice?.offset ?? 0
  let left = node.slice?.length ?? Number.POSITIVE_INFINITY
  node.files.forEach((path, file) => {
    const meta = readFileMeta(path)
    const kept = node.predicate === undefined ? undefined : pruneScan(meta, node.predicate)
    meta.rowGroups.forEach((group, rowGroup) => {
      total += 1
      const start = Math.min(skip, group.rowCount)
      skip -= start
      const rows = Math.min(group.rowCount - start, left)
      left -= rows
      const ranges = intersect(kept?.[rowGroup] ?? [{ start: 0, rows: group.rowCount }], start, start + rows)
      if (ranges.length > 0) morsels.push({ file, rowGroup, ranges })
    })
  })
  return { morsels, total }
}

/** The parts of `ranges` within [start, end). */
function intersect(ranges: readonly RowRange[], start: number, end: number): RowRange[] {
  return ranges.flatMap((range) => {
    const from = Math.max(range.start, start)
    const to = Math.min(range.start + range.rows, end)
    return to > from ? [{ start: from, rows: to - from }] : []
  })
}

export function lowerInMemory(lowering: Lowering, node: InMemory): Stream {
  const table = node.table as SharedTable
  const positions = node.columns.map((name) => {
    const position = table.schema.fields.findIndex((field) => field.name === name)
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
