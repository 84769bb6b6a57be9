/** Runs a stage over JavaScript values in a test arena, with a fresh instance each time. For tests only. */
import { descriptor, type Schema } from '@spillway/columnar'
import { createTestArena, type TestArena } from '@spillway/kernels'
import {
  ArenaRoom,
  type CellValue,
  makeBatch,
  makeEmptyBatch,
  placeParams,
  readColumn,
  readSelection,
} from './arena-batch.ts'
import { compileStage, type StageExports, type StageSpec } from './compile-stage.ts'

export interface StageRun {
  /** Rows after the filter, undefined for all. */
  readonly selection: readonly number[] | undefined
  readonly columns: readonly (readonly CellValue[])[]
  /** The error slot, if a row raised. */
  readonly raised: { readonly code: number; readonly row: number; readonly site: number } | undefined
}

let arena: TestArena | undefined

/** @param columns one array per field of the spec's input @param selection rows that exist; undefined: all */
export function runStage(
  spec: StageSpec,
  columns: readonly (readonly CellValue[])[],
  rowCount: number,
  selection?: readonly number[],
): StageRun {
  arena ??= createTestArena(512)
  const room = new ArenaRoom(arena)
  try {
    return runIn(arena, room, spec, columns, rowCount, selection)
  } finally {
    room.release()
  }
}

function runIn(
  where: TestArena,
  room: ArenaRoom,
  spec: StageSpec,
  columns: readonly (readonly CellValue[])[],
  rowCount: number,
  selection: readonly number[] | undefined,
): StageRun {
  const stage = compileStage(spec)
  const imports = { env: { memory: where.memory }, kernel: where.kernels } as unknown as WebAssembly.Imports
  const instance = new WebAssembly.Instance(new WebAssembly.Module(stage.bytes), imports)
  const exports = instance.exports as unknown as StageExports
  const batch = makeBatch(room, spec.input, columns as CellValue[][], rowCount, selection)
  const params = placeParams(room, stage.params)
  const field = (offset: number): number => where.dataView.getUint32(batch + offset, true)
  const raised = (): StageRun => ({
    selection: undefined,
    columns: [],
    raised: { code: field(descriptor.errorCode), row: field(descriptor.errorRow), site: field(descriptor.errorSite) },
  })
  if (spec.filter !== undefined && exports.filter(batch, params) !== 0) return raised()
  const rows = readSelection(where, batch)
  if (spec.project === undefined) return { selection: rows, columns: [], raised: undefined }
  const count = rows?.length ?? rowCount
  const heapBytes = stage.outputs.reduce((sum, output) => sum + output.heapBytesPerRow * count, 64)
  const types = stage.outputs.map((output) => output.type)
  const out = makeEmptyBatch(room, types, count, heapBytes)
  if (exports.project(batch, out, params) !== 0) return raised()
  return { selection: rows, columns: types.map((type, k) => readColumn(where, out, k, type)), raised: undefined }
}

/** Names and types as a schema of nullable columns. */
export function nullableSchema(
  fields: readonly (readonly [name: string, type: Schema['fields'][number]['type']])[],
): Schema {
  return { fields: fields.map(([name, type]) => ({ name, type, nullable: true })) }
}
