/** Worker side of PARQUET SINK: row groups encoded in the arena, written when they are full. */
import { type EncoderShape, pageCodec, RowGroupWriter, sizeRowGroupWriter, writeRowGroupBody } from '@spillway/formats'
import type { WorkspaceSize } from '@spillway/memory'
import { queryCounter } from '@spillway/scheduler'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { SinkParquetOutput, SinkParquetSpec } from './sink-parquet.ts'

function shapeOf(spec: SinkParquetSpec): EncoderShape {
  return { ...spec, codec: pageCodec(spec.compression, spec.compressionLevel) }
}

export function sizeSinkParquet(spec: SinkParquetSpec, size: WorkspaceSize): void {
  sizeRowGroupWriter(spec.schema, shapeOf(spec), size)
}

export function openSinkParquet(spec: SinkParquetSpec, context: OpenContext): Sink {
  return new SinkParquetLocal(spec, context)
}

class SinkParquetLocal implements Sink {
  readonly #spec: SinkParquetSpec
  readonly #context: OpenContext
  readonly #writer: RowGroupWriter
  #firstSequence = 0
  #claims: MorselClaims | undefined

  constructor(spec: SinkParquetSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    const { arena, workspace, reservation } = context
    this.#writer = new RowGroupWriter({
      ...{ schema: spec.schema, shape: shapeOf(spec), arena },
      ...{ buffers: workspace, pages: reservation },
    })
  }

  consume(batch: number, sequence: number): 'taken' {
    const { arena, meter, query, control } = this.#context
    const { rowGroupRows, rowGroupBytes } = this.#spec
    const writer = this.#writer
    const count = selectedRows(arena, batch)
    for (let start = 0; start < count; ) {
      if (writer.rows === 0) this.#firstSequence = sequence
      const taken = writer.append(batch, start, Math.min(count - start, rowGroupRows - writer.rows))
      start += taken
      // No memory for more compressed pages, or the row group is full.
      if (taken === 0 || writer.rows >= rowGroupRows || writer.chainBytes >= rowGroupBytes) this.#flush()
    }
    meter.counts.rowsOut += count
    control.count(query.slot, queryCounter.rowsOut, count)
    return 'taken'
  }

  setClaims(claims: MorselClaims): void {
    this.#claims = claims
  }

  endMorsel(): 'taken' {
    const claims = this.#claims
    if (claims === undefined || !this.#spec.isOrdered || !claims.isRunEnd) return 'taken'
    const { rows, chainBytes } = this.#writer
    const isSparse = rows < this.#spec.rowGroupRows / 4 && chainBytes < this.#spec.rowGroupBytes / 4
    this.#flush()
    // Few rows per run: longer runs from now on, or the file would have a row group per morsel.
    if (isSparse) claims.lengthenRun(this.#context.query.setup.threads)
    return 'taken'
  }

  publish(): undefined {
    this.#flush()
    return undefined
  }

  /** Ends the row group, whose pages are then free. */
  spill(): number {
    const { heldPages } = this.#writer
    if (heldPages > 0) this.#flush()
    return heldPages
  }

  #flush(): void {
    const writer = this.#writer
    if (writer.rows > 0) {
      const { query, control } = this.#context
      const { bytes, pieces, footerAt } = writer.finish()
      const offset = control.count(query.slot, queryCounter.sinkOffset, bytes)
      writeRowGroupBody(this.#spec.temporaryPath, pieces, offset)
      const footer = footerAt(offset)
      const output: SinkParquetOutput = { kind: 'rowGroup', sequence: this.#firstSequence, offset, footer }
      query.postOutput(output, [])
    }
    writer.clear()
  }

  close(): void {}
}
