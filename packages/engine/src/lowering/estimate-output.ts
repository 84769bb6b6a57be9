/**
 * How large the output of an optimised plan can be, from footers, in-memory tables and types alone: rows, and bytes of
 * text by column. Bounds from above where that is possible; what is not known (matches of a join, texts of a
 * dictionary) is taken as the comments say.
 */
import { hasOwnLength, findFieldIndex, type SharedTable, widthOf, type DataType, type Schema } from '@spillway/columnar'
import {
  type IpcColumn,
  type IpcFileMeta,
  ownBufferCount,
  readIpcMessage,
  requireChunk,
  withFile,
} from '@spillway/formats'
import type { FileScan, Join, LogicalNode, ScanIpc, ScanParquet, TypedExpr } from '@spillway/plan'
import { unreachable } from '@spillway/stdx'
import { PlannedFiles } from './planned-files.ts'

export interface OutputEstimate {
  /** At most. */
  readonly rows: number
  /** Of each text column, all rows together. */
  readonly textBytes: ReadonlyMap<string, number>
  /** An operator holds rows while the query runs: bytes of what it may hold. */
  readonly heldBytes: number
}

/** Bytes of a row in an operator that holds it, beside its columns: a hash, links, a place in a directory. */
const HELD_ROW_BYTES = 48
/** Texts of a slice may be longer than the others by this factor. */
const SLICE_SKEW = 4
const SLICE_SLACK_BYTES = 65_536
/** Entries of a dictionary are not equally frequent: the frequent ones may be longer than the average. */
const DICTIONARY_SKEW = 2
const MATCH_SKEW = 2

export function estimateOutput(node: LogicalNode, files = new PlannedFiles()): OutputEstimate {
  switch (node.kind) {
    case 'scanParquet':
      return cut(scanOf(node, parquetTexts(files, node)), node.slice?.length)
    case 'scanIpc':
      return cut(scanOf(node, ipcTexts(files, node)), node.slice?.length)
    case 'inMemory': {
      const table = node.table as SharedTable
      const textBytes = new Map(node.columns.map((name) => [name, tableText(table, name)] as const))
      return cut({ rows: node.rowCount, textBytes, heldBytes: 0 }, node.slice?.length)
    }
    case 'generated': {
      const textBytes = node.columns.map((column): [string, number] => {
        const value = column.kind === 'repeat' && typeof column.value === 'string' ? column.value : ''
        return [column.name, node.rowCount * Buffer.byteLength(value)]
      })
      return cut({ rows: node.rowCount, textBytes: new Map(textBytes), heldBytes: 0 }, node.slice?.length)
    }
    case 'filter':
      return estimateOutput(node.input, files)
    case 'slice':
      return cut(estimateOutput(node.input, files), node.length)
    case 'project': {
      const input = estimateOutput(node.input, files)
      return { ...input, textBytes: new Map(node.exprs.map(({ name, expr }) => [name, textOf(expr, input)])) }
    }
    case 'groupBy': {
      const input = estimateOutput(node.input, files)
      const rows = node.keys.length === 0 ? 1 : input.rows
      const keys = node.keys.map(({ name, expr }): [string, number] => [name, textOf(expr, input)])
      const aggregates = node.aggregates.map(({ name, operand, type }): [string, number] => [
        name,
        hasOwnLength(type) && operand !== undefined ? textOf(operand, input) : 0,
      ])
      const output = { rows, textBytes: new Map([...keys, ...aggregates]), heldBytes: input.heldBytes }
      return { ...output, heldBytes: input.heldBytes + bytesOfRows(node.schema, output) + rows * HELD_ROW_BYTES }
    }
    case 'sort': {
      const input = estimateOutput(node.input, files)
      const held = bytesOfRows(node.input.schema, input) + input.rows * HELD_ROW_BYTES
      return { ...cut(input, node.limit), heldBytes: input.heldBytes + held }
    }
    case 'join':
      return joined(node, estimateOutput(node.left, files), estimateOutput(node.right, files))
    case 'shared':
      return estimateOutput(node.own, files)
    case 'guard':
    case 'ordinal':
      return estimateOutput(node.input, files)
    case 'concat':
      return concatenated(node.inputs.map((input) => estimateOutput(input, files)))
    default:
      return unreachable(node)
  }
}

function concatenated(inputs: readonly OutputEstimate[]): OutputEstimate {
  const textBytes = new Map<string, number>()
  for (const input of inputs) {
    for (const [name, bytes] of input.textBytes) textBytes.set(name, (textBytes.get(name) ?? 0) + bytes)
  }
  const sum = (part: (input: OutputEstimate) => number): number => inputs.reduce((all, each) => all + part(each), 0)
  return { rows: sum(({ rows }) => rows), textBytes, heldBytes: sum(({ heldBytes }) => heldBytes) }
}

/**
 * As many rows as both inputs have together, where each row of one side matches at most one of the other. How often
 * keys match several times on both sides is not known before.
 */
function joined(node: Join, left: OutputEstimate, right: OutputEstimate): OutputEstimate {
  const isFilter = node.how === 'semi' || node.how === 'anti'
  const rows = isFilter ? left.rows : node.how === 'cross' ? left.rows * right.rows : left.rows + right.rows
  const textBytes = node.outputs.map(({ name, side, column }): [string, number] => {
    const input = side === 'left' ? left : right
    const perRow = (input.textBytes.get(column) ?? 0) / Math.max(1, input.rows)
    // Rows that match often may have longer texts than the others.
    return [name, rows * perRow * (isFilter || node.how === 'cross' ? 1 : MATCH_SKEW)]
  })
  const held = [bytesOfRows(node.left.schema, left), bytesOfRows(node.right.schema, right)]
  const ownBytes = held.reduce((sum, bytes) => sum + bytes, (left.rows + right.rows) * HELD_ROW_BYTES)
  return { rows, textBytes: new Map(textBytes), heldBytes: left.heldBytes + right.heldBytes + ownBytes }
}

/** Bytes of such rows in Arrow's layout. */
export function bytesOfRows(schema: Schema, { rows, textBytes }: Pick<OutputEstimate, 'rows' | 'textBytes'>): number {
  let bytes = 0
  for (const { name, type, nullable } of schema.fields) {
    if (nullable) bytes += Math.ceil(rows / 8)
    if (type.kind === 'boolean') bytes += Math.ceil(rows / 8)
    else if (hasOwnLength(type)) bytes += 4 * (rows + 1) + (textBytes.get(name) ?? 0)
    else if (type.kind !== 'null') bytes += rows * widthOf(type)
  }
  return bytes
}

function cut(estimate: OutputEstimate, length: number | undefined): OutputEstimate {
  if (length === undefined || length >= estimate.rows) return estimate
  const share = (length / estimate.rows) * SLICE_SKEW
  const shorten = (bytes: number): number => Math.min(bytes, Math.ceil(bytes * share) + SLICE_SLACK_BYTES)
  return {
    ...estimate,
    rows: length,
    textBytes: new Map([...estimate.textBytes].map(([name, bytes]) => [name, shorten(bytes)])),
  }
}

/** Longest text that casting a value of a type gives. */
function castTextBytes(type: DataType): number {
  return type.kind === 'boolean' ? 5 : type.kind === 'decimal' ? 41 : 32
}

/** Text bytes of all rows of an expression. */
function textOf(expr: TypedExpr, input: OutputEstimate): number {
  if (!hasOwnLength(expr.type)) return 0
  switch (expr.kind) {
    case 'column':
      return input.textBytes.get(expr.name) ?? 0
    case 'literal':
      return typeof expr.value === 'string' ? input.rows * Buffer.byteLength(expr.value) : 0
    case 'fillNull':
      return textOf(expr.operand, input) + textOf(expr.fill, input)
    case 'when':
      return expr.branches.reduce((sum, { then }) => sum + textOf(then, input), textOf(expr.otherwise, input))
    case 'cast':
      if (hasOwnLength(expr.operand.type)) return textOf(expr.operand, input)
      return input.rows * castTextBytes(expr.operand.type)
    default:
      return input.rows * castTextBytes(expr.type)
  }
}

interface ScannedTexts {
  readonly rows: number
  readonly textBytes: ReadonlyMap<string, number>
}

function scanOf(node: FileScan, { rows, textBytes }: ScannedTexts): OutputEstimate {
  const names = node.schema.fields.filter(({ type }) => hasOwnLength(type)).map(({ name }) => name)
  return { rows, textBytes: new Map(names.map((name) => [name, textBytes.get(name) ?? 0])), heldBytes: 0 }
}

/** Of the row groups that the filter leaves. */
function parquetTexts(files: PlannedFiles, node: ScanParquet): ScannedTexts {
  const texts = node.schema.fields.filter(({ type }) => hasOwnLength(type))
  const textBytes = new Map<string, number>()
  let rows = 0
  for (const { file, rowGroup, ranges } of files.morselsOf(node).morsels) {
    const meta = files.parquetOf(node, file)
    rows += ranges.reduce((sum, range) => sum + range.rows, 0)
    for (const { name } of texts) {
      const chunk = requireChunk(meta, rowGroup, name)
      const fixed = 4 * (chunk.valueCount + 1) + Math.ceil(chunk.valueCount / 8)
      textBytes.set(name, (textBytes.get(name) ?? 0) + Math.max(0, chunk.decodedBytes - fixed))
    }
  }
  return { rows, textBytes }
}

function ipcTexts(files: PlannedFiles, node: ScanIpc): ScannedTexts {
  const textBytes = new Map<string, number>()
  let rows = 0
  for (const path of node.files) {
    const meta = files.ipc(path)
    rows += meta.rowCount
    const columns = meta.columns.filter(
      ({ name, type }) => hasOwnLength(type) && findFieldIndex(node.schema, name) >= 0,
    )
    if (columns.length === 0) continue
    withFile(path, (descriptor) => {
      for (const column of columns) {
        textBytes.set(column.name, (textBytes.get(column.name) ?? 0) + ipcText(meta, column, descriptor))
      }
    })
  }
  return { rows, textBytes }
}

const ALONE = { node: 0, buffer: 0, viewsBefore: 0 } as const
/** Compressed text is taken to be this much longer. */
const COMPRESSION_RATIO = 8
/** Bytes of a text that lies within its view. */
const INLINE_BYTES = 12

/** Text of a column in all record batches; of a dictionary by the average length of its entries. */
function ipcText(meta: IpcFileMeta, column: IpcColumn, descriptor: number): number {
  const parts = column.dictionary === undefined ? meta.batches : (meta.dictionaries.get(column.dictionary.id) ?? [])
  const position = column.dictionary === undefined ? column.position : ALONE
  const hasViews = column.storage.kind === 'views'
  let bytes = 0
  let rows = 0
  for (const part of parts) {
    const place = { file: meta.path, column: column.name }
    const message = readIpcMessage(descriptor, part, place)
    const { buffers } = message.column(position, ownBufferCount(column.storage, false), hasViews, place)
    const stored = buffers.slice(2).reduce((sum, buffer) => sum + buffer.bytes, 0)
    bytes += stored * (part.codec === undefined ? 1 : COMPRESSION_RATIO) + (hasViews ? part.rows * INLINE_BYTES : 0)
    rows += part.rows
  }
  if (column.dictionary === undefined) return bytes
  return Math.ceil((meta.rowCount * bytes * DICTIONARY_SKEW) / Math.max(1, rows))
}

function tableText(table: SharedTable, name: string): number {
  const index = findFieldIndex(table.schema, name)
  const field = table.schema.fields[index]
  if (field === undefined || !hasOwnLength(field.type)) return 0
  let bytes = 0
  for (const { columns, rowCount } of table.chunks) {
    const column = columns[index]
    const texts = column?.dictionary ?? column
    if (texts === undefined || column === undefined) continue
    const average = texts.values.byteLength / Math.max(1, texts.length)
    bytes += column.dictionary === undefined ? texts.values.byteLength : rowCount * average * DICTIONARY_SKEW
  }
  return Math.ceil(bytes)
}
