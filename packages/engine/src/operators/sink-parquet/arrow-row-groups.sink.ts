/** Worker side of PARQUET SINK for codecs that have no kernel: row groups in Arrow's layout, encoded by parquet-wasm. */
import {
  ipcSchemaMessage,
  messageViews,
  type ParquetEncoder,
  recordBatchMessage,
  rowGroupBody,
  writeRowGroupBody,
} from '@spillway/formats'
import type { WorkspaceSize } from '@spillway/memory'
import { queryCounter } from '@spillway/scheduler'
import { assert } from '@spillway/stdx'
import { BatchExport, sizeBatchExport } from '../../pipeline/batch-export.ts'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { SinkParquetOutput, SinkParquetSpec } from './sink-parquet.ts'

const END_MARK_BYTES = 8
const STREAM_BYTES_MAX = 16e6
const STREAM_SLACK_BYTES = 1 << 20

export function sizeArrowRowGroups(spec: SinkParquetSpec, size: WorkspaceSize): void {
  sizeBatchExport(spec.schema, spec.batchRows, size)
}

export function openArrowRowGroups(spec: SinkParquetSpec, context: OpenContext): Sink {
  return new ArrowRowGroups(spec, context)
}

class ArrowRowGroups implements Sink {
  readonly #spec: SinkParquetSpec
  readonly #context: OpenContext
  readonly #export: BatchExport
  readonly #schemaMessage: Uint8Array
  /** An Arrow IPC stream that grows batch by batch; kept for the next row group. */
  #stream: Uint8Array<ArrayBuffer>
  #bytes: number
  #rows = 0
  #firstSequence = 0
  #claims: MorselClaims | undefined

  constructor(spec: SinkParquetSpec, context: OpenContext) {
    this.#spec = spec
    this.#context = context
    this.#export = new BatchExport(context, spec.schema, spec.batchRows, 'PARQUET SINK')
    this.#schemaMessage = ipcSchemaMessage(spec.schema)
    // As large as a full row group gets, but for its last batch: growing it would need twice the memory for a moment.
    this.#stream = new Uint8Array(Math.min(spec.rowGroupBytes, STREAM_BYTES_MAX) + STREAM_SLACK_BYTES)
    this.#stream.set(this.#schemaMessage)
    this.#bytes = this.#schemaMessage.byteLength
  }

  consume(batch: number, sequence: number): 'taken' {
    const { arena, meter, query, control } = this.#context
    const count = selectedRows(arena, batch)
    if (count === 0) return 'taken'
    if (this.#rows === 0) this.#firstSequence = sequence
    this.#export.export(batch, (columns, rows) => {
      const message = recordBatchMessage(rows, columns)
      this.#ensureRoom(message.metadata.byteLength + message.bodyBytes + END_MARK_BYTES)
      for (const view of messageViews(message, arena.handle.memory)) {
        this.#stream.set(view, this.#bytes)
        this.#bytes += view.byteLength
      }
    })
    this.#rows += count
    meter.counts.rowsOut += count
    control.count(query.slot, queryCounter.rowsOut, count)
    if (this.#rows >= this.#spec.rowGroupRows || this.#bytes >= this.#spec.rowGroupBytes) this.#flush()
    return 'taken'
  }

  setClaims(claims: MorselClaims): void {
    this.#claims = claims
  }

  endMorsel(): 'taken' {
    const claims = this.#claims
    if (claims === undefined || !this.#spec.isOrdered || !claims.isRunEnd) return 'taken'
    const isSparse = this.#rows < this.#spec.rowGroupRows / 4 && this.#bytes < this.#spec.rowGroupBytes / 4
    this.#flush()
    // Few rows per run: longer runs from now on, or the file would have a row group per morsel.
    if (isSparse) claims.lengthenRun(this.#context.query.setup.threads)
    return 'taken'
  }

  publish(): undefined {
    this.#flush()
    return undefined
  }

  spill(): number {
    return 0
  }

  #ensureRoom(bytes: number): void {
    if (this.#bytes + bytes <= this.#stream.byteLength) return
    const grown = new Uint8Array(Math.max(this.#stream.byteLength * 1.25, this.#bytes + bytes))
    grown.set(this.#stream.subarray(0, this.#bytes))
    this.#stream = grown
  }

  #flush(): void {
    if (this.#rows === 0) return
    const { query, control } = this.#context
    const { compression, compressionLevel, statistics, temporaryPath } = this.#spec
    assert(this.#bytes + END_MARK_BYTES <= this.#stream.byteLength, 'the stream has room for its end mark')
    const end = new DataView(this.#stream.buffer)
    end.setUint32(this.#bytes, 0xffffffff, true)
    end.setUint32(this.#bytes + 4, 0, true)
    const encoder: ParquetEncoder = query.worker.openEncoder()
    const file = encoder.encodeRowGroup(this.#stream.subarray(0, this.#bytes + END_MARK_BYTES), {
      compression,
      level: compressionLevel,
      statistics,
      rowCount: this.#rows,
    })
    query.worker.noteCodecMemory(encoder.memoryBytes())
    const { body, footerAt } = rowGroupBody(file)
    const offset = control.count(query.slot, queryCounter.sinkOffset, body.byteLength)
    writeRowGroupBody(temporaryPath, [body], offset)
    const output: SinkParquetOutput = {
      kind: 'rowGroup',
      sequence: this.#firstSequence,
      offset,
      footer: footerAt(offset),
    }
    query.postOutput(output, [])
    this.#bytes = this.#schemaMessage.byteLength
    this.#rows = 0
    query.worker.collectGarbageSometimes(file.byteLength)
  }

  close(): void {}
}
