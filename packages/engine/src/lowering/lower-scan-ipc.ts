/** IPC SCAN: its morsels and what its columns demand, from footers and heads of messages alone. */
import { type Field, makeSchema, widthOf } from '@spillway/columnar'
import {
  columnError,
  type IpcColumn,
  type IpcFileMeta,
  type IpcPlace,
  type IpcRecordBatch,
  loadBytes,
  ownBufferCount,
  readIpcBytes,
  readIpcMessage,
  readStoredLength,
  withFile,
} from '@spillway/formats'
import { PAGE_BYTES } from '@spillway/kernels'
import { columnsUsed, type ScanIpc } from '@spillway/plan'
import type { IpcFileLayout, IpcMorsel } from '../operators/scan-ipc/scan-ipc.ts'
import { requirePlannedColumns, scanFields } from './lower-scan.ts'
import type { Lowering } from './lower-plan.ts'
import { intersect } from './planned-files.ts'
import { addSelection, type Stream } from './stream.ts'

export function lowerScanIpc(lowering: Lowering, node: ScanIpc): Stream {
  const fields = scanFields(node)
  const schema = makeSchema(fields)
  const { files, sizing } = lowering.context
  const metas = node.files.map((path) => files.ipc(path))
  for (const meta of metas) requirePlannedColumns(meta, fields, 'scanIpc')
  const layouts = metas.map((meta) => layoutOf(meta, fields))
  const morsels = cutBatches(node, metas, sizing.morselRows)
  const filterColumns = node.predicate === undefined ? new Set<string>() : columnsUsed(node.predicate)
  const stream: Stream = {
    source: {
      kind: 'scanIpc',
      operatorId: lowering.nextOperatorId(),
      files: node.files,
      versions: metas.map(({ fileBytes, modifiedNs }) => ({ fileBytes, modifiedNs })),
      schema,
      layouts,
      morsels,
      batchRows: sizing.batchRows,
      widths: fields.map((field) => widthOf(field.type)),
      filter: node.predicate === undefined ? undefined : lowering.compileFilter(schema, node.predicate),
      codeConditions: [],
      filterOnlyColumns: [],
      codedColumns: [],
      filterColumns: fields.flatMap(({ name }, index) => (filterColumns.has(name) ? [index] : [])),
      maxConcurrentFiles: node.reading.maxConcurrentFiles,
      top: undefined,
      builds: [],
      demandedPages: files.demandOf(node, () => countDemands(metas, layouts)),
    },
    morselCount: morsels.length,
    steps: [],
    schema,
    isOrdered: true,
    isSerial: false,
  }
  return addSelection(stream, node.schema)
}

function layoutOf(meta: IpcFileMeta, fields: readonly Field[]): IpcFileLayout {
  const byName = new Map(meta.columns.map((column) => [column.name, column]))
  const columns = fields.map(({ name }): IpcColumn => {
    const column = byName.get(name)
    if (column === undefined) throw columnError(meta.path, meta.leftOut, name)
    return column
  })
  const dictionaries = columns.map(({ dictionary }) =>
    dictionary === undefined ? [] : (meta.dictionaries.get(dictionary.id) ?? []),
  )
  return { columns, dictionaries }
}

/**
 * Runs of rows of one record batch each. A compressed one stays whole, since it is decompressed as a whole; others are
 * cut, since any of their rows can be read.
 */
function cutBatches(node: ScanIpc, metas: readonly IpcFileMeta[], morselRows: number): IpcMorsel[] {
  const morsels: IpcMorsel[] = []
  let skip = node.slice?.offset ?? 0
  let left = node.slice?.length ?? Number.POSITIVE_INFINITY
  metas.forEach(({ batches }, file) => {
    batches.forEach((part, recordBatch) => {
      const start = Math.min(skip, part.rows)
      skip -= start
      const rows = Math.min(part.rows - start, left)
      left -= rows
      const step = part.codec === undefined ? morselRows : part.rows
      for (let at = start; at < start + rows; at += step) {
        const ranges = intersect([{ start: at, rows: step }], start, start + rows)
        morsels.push({ file, recordBatch, part, ranges })
      }
    })
  })
  return morsels
}

/** Bytes that loading takes: what stays, and the most that is taken for a moment. */
class Demand {
  kept = 0
  passing = 0
}

const pagesOf = (bytes: number): number => (bytes === 0 ? 0 : Math.ceil(bytes / PAGE_BYTES) + 1)

/** Of each column the largest dictionary and record batch, and the most that loading one buffer takes for a moment. */
function countDemands(metas: readonly IpcFileMeta[], layouts: readonly IpcFileLayout[]): number {
  const columns = layouts[0]?.columns.length ?? 0
  const dictionaries = new Array<number>(columns).fill(0)
  const buffers = new Array<number>(columns).fill(0)
  let passing = 0
  metas.forEach((meta, file) => {
    const layout = layouts[file]
    const packed = meta.batches.flatMap((part, recordBatch) =>
      part.codec === undefined ? [] : [{ part, recordBatch }],
    )
    if (layout === undefined || (meta.dictionaries.size === 0 && packed.length === 0)) return
    withFile(meta.path, (descriptor) => {
      layout.columns.forEach((column, index) => {
        const demand = new Demand()
        for (const part of layout.dictionaries[index] ?? []) {
          addDictionary(demand, column, openPart(descriptor, part, { file: meta.path, column: column.name }))
        }
        dictionaries[index] = Math.max(dictionaries[index] ?? 0, pagesOf(demand.kept))
        passing = Math.max(passing, pagesOf(demand.passing))
      })
      for (const { part, recordBatch } of packed) {
        const open = openPart(descriptor, part, { file: meta.path, recordBatch })
        layout.columns.forEach((column, index) => {
          const demand = new Demand()
          addBuffers(demand, column, column.dictionary !== undefined, open)
          buffers[index] = Math.max(buffers[index] ?? 0, pagesOf(demand.kept) + 2)
          passing = Math.max(passing, pagesOf(demand.passing) + 2)
        })
      }
    })
  })
  return [...dictionaries, ...buffers].reduce((sum, pages) => sum + pages, passing)
}

interface OpenPart {
  readonly descriptor: number
  readonly part: IpcRecordBatch
  readonly message: ReturnType<typeof readIpcMessage>
  readonly place: IpcPlace
}

function openPart(descriptor: number, part: IpcRecordBatch, place: IpcPlace): OpenPart {
  return { descriptor, part, message: readIpcMessage(descriptor, part, place), place }
}

/** The values in the arena's layout, and their text. */
function addDictionary(demand: Demand, column: IpcColumn, open: OpenPart): void {
  const own = new Demand()
  const text = addBuffers(own, column, false, open)
  // What is decompressed here is given back when its values are read.
  demand.passing = Math.max(demand.passing, own.passing + own.kept)
  demand.kept += open.part.rows * (widthOf(column.type) + 1) + text + 3 * PAGE_BYTES
}

/** Adds what the buffers of a column demand; returns the bytes of its text without compression. */
function addBuffers(demand: Demand, column: IpcColumn, isDictionary: boolean, open: OpenPart): number {
  const { descriptor, message, place } = open
  const hasViews = column.storage.kind === 'views' && !isDictionary
  const position = isDictionary || column.dictionary === undefined ? column.position : ALONE
  const { buffers } = message.column(position, ownBufferCount(column.storage, isDictionary), hasViews, place)
  const read = (target: Uint8Array, offset: number): void => readIpcBytes(descriptor, target, offset, place)
  let text = 0
  buffers.forEach((buffer, index) => {
    let { bytes } = buffer
    if (message.codec !== undefined) {
      const stored = readStoredLength(buffer, message.codec, read, place)
      const { kept, passing } = loadBytes(stored, buffer.bytes)
      demand.kept += kept === 0 ? 0 : kept + PAGE_BYTES
      demand.passing = Math.max(demand.passing, passing)
      bytes = stored.bytes
    }
    if (index >= 2) text += bytes
  })
  return text
}

const ALONE = { node: 0, buffer: 0, viewsBefore: 0 } as const
