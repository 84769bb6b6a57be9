/** Worker side of RAISE. */
import { descriptor, makeValueReader, PackedChunk, type PlainValue, packColumns } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import { makeError, type SpillwayError } from '@spillway/stdx'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import { BatchExport, sizeBatchExport } from '../../pipeline/batch-export.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import type { RaiseSpec } from './raise.ts'

/** Characters of one value that a message shows. */
const TEXT_MAX = 60

export function sizeRaise(spec: RaiseSpec, size: WorkspaceSize): void {
  sizeBatchExport(spec.schema, 1, size)
}

export function openRaise(spec: RaiseSpec, context: OpenContext): Sink {
  return new RaiseSink(spec, context)
}

class RaiseSink implements Sink {
  readonly #spec: RaiseSpec
  readonly #context: OpenContext
  readonly #export: BatchExport

  constructor(spec: RaiseSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#export = new BatchExport(context, spec.schema, 1, 'RAISE')
  }

  setClaims(): void {}

  consume(batch: number): 'taken' {
    const { arena } = this.#context
    if (selectedRows(arena, batch) === 0) return 'taken'
    // Nobody reads the batch after this: it is cut to its first row in place.
    arena.u32[(batch + descriptor.selectionCount) >>> 2] = 1
    if (arena.u32[(batch + descriptor.selection) >>> 2] === 0) arena.u32[(batch + descriptor.rowCount) >>> 2] = 1
    this.#export.export(batch, (exported, rowCount) => {
      const chunk = new PackedChunk(this.#spec.schema, packColumns(arena.handle.memory, exported, rowCount))
      throw this.#violation(chunk.columns.map((column) => makeValueReader(column)(0)))
    })
    return 'taken'
  }

  #violation(values: readonly PlainValue[]): SpillwayError {
    const { side, keys, validate } = this.#spec
    const key = keys.map((text, index) => `${text} = ${valueText(values[index] ?? null)}`).join(', ')
    const rows = Number(values[keys.length])
    return makeError(
      'JOIN_KEYS_NOT_UNIQUE',
      `Join keys are not unique in the ${side} frame, as validate "${validate}" asks: ${key} in ${rows} rows. ` +
        'Remove the duplicates with unique(), or relax validate.',
      { side, keys: keys.join(', '), key, rows, validate },
    )
  }

  endMorsel(): 'taken' {
    return 'taken'
  }
  publish(): undefined {
    return undefined
  }
  spill(): number {
    return 0
  }
  close(): void {}
}

function valueText(value: PlainValue): string {
  if (value instanceof Date) return value.toISOString()
  if (typeof value !== 'string') return String(value)
  return JSON.stringify(value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value)
}
