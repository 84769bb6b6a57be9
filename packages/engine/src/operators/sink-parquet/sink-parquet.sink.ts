/** Worker side of PARQUET SINK: row groups encoded in the arena, written when they are full. */
import {
  type EncoderShape,
  outputCalls,
  pageCodec,
  RowGroupWriter,
  sizeRowGroupWriter,
  writeRowGroupBody,
} from '@spillway/formats'
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
  /** The last morsel that was ended, all of whose rows are taken. */
  #endedSequence = -1
  /** Of all morsels so far: what a run should hold follows from it. */
  #morsels = 0
  #rows = 0
  #bytes = 0

  constructor(spec: SinkParquetSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    const { arena, workspace, reservation, makeRoom } = context
    this.#writer = new RowGroupWriter({
      ...{ schema: spec.schema, shape: shapeOf(spec), arena },
      ...{ buffers: workspace, pages: reservation, makeRoom },
    })
  }

  consume(batch: number, sequence: number): 'taken' {
    const { arena, meter, query, control } = this.#context
    const { rowGroupRows, rowGroupBytes, isOrdered } = this.#spec
    const writer = this.#writer
    const count = selectedRows(arena, batch)
    // Another worker has the rows in between.
    if (isOrdered && sequence > this.#endedSequence + 1 && this.#endedSequence >= this.#firstSequence) this.#flush()
    for (let start = 0; start < count; ) {
      if (writer.rows === 0) this.#firstSequence = sequence
      const taken = writer.append(batch, start, Math.min(count - start, rowGroupRows - writer.rows))
      start += taken
      // No memory for more compressed pages, or the row group is full.
      if (taken === 0 || writer.rows >= rowGroupRows || writer.chainBytes >= rowGroupBytes) this.#flush()
    }
    this.#rows += count
    meter.counts.rowsOut += count
    control.count(query.slot, queryCounter.rowsOut, count)
    return 'taken'
  }

  setClaims(claims: MorselClaims): void {
    this.#claims = claims
  }

  /**
   * A run of morsels ends when another worker may have taken the next one. The row group stays open: it goes on when
   * the next morsel is this worker's after all.
   */
  endMorsel(sequence: number): 'taken' {
    this.#endedSequence = sequence
    this.#morsels += 1
    const claims = this.#claims
    if (claims === undefined || !this.#spec.isOrdered || !claims.isRunEnd) return 'taken'
    const { rowGroupRows, rowGroupBytes } = this.#spec
    const bytes = this.#bytes + this.#writer.chainBytes
    const byRows = (rowGroupRows * this.#morsels) / Math.max(1, this.#rows)
    const byBytes = (rowGroupBytes * this.#morsels) / Math.max(1, bytes)
    // A run is as many morsels as fill a row group and do not overfill it.
    claims.setRunLength(Math.floor(Math.min(byRows, byBytes)), this.#context.query.setup.threads)
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
      this.#bytes += bytes
      const offset = control.count(query.slot, queryCounter.sinkOffset, bytes)
      writeRowGroupBody(this.#spec.temporaryPath, pieces, offset, outputCalls(query.setup.testing.outputFault))
      const footer = footerAt(offset)
      const output: SinkParquetOutput = { kind: 'rowGroup', sequence: this.#firstSequence, offset, footer }
      query.postOutput(output, [])
    }
    writer.clear()
  }

  close(): void {}
}
