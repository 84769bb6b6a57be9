/** Worker side of PARQUET SINK: row groups encoded in the arena, written when they are full. */
import {
  type EncoderShape,
  pageCodec,
  type RowGroupFooter,
  RowGroupWriter,
  sizeRowGroupWriter,
} from '@spillway/formats'
import type { WorkspaceSize } from '@spillway/memory'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import { type FileEncoder, FileSink, type FinishedPiece } from '../sink-file/file-sink.ts'
import type { SinkParquetSpec } from './sink-parquet.ts'

function shapeOf(spec: SinkParquetSpec): EncoderShape {
  return { ...spec, codec: pageCodec(spec.compression, spec.compressionLevel) }
}

export function sizeSinkParquet(spec: SinkParquetSpec, size: WorkspaceSize): void {
  sizeRowGroupWriter(spec.schema, shapeOf(spec), size)
}

export function openSinkParquet(spec: SinkParquetSpec, context: OpenContext): Sink {
  const limits = { rows: spec.rowGroupRows, bytes: spec.rowGroupBytes }
  return new FileSink(spec, limits, context, new RowGroupEncoder(spec, context))
}

class RowGroupEncoder implements FileEncoder<RowGroupFooter> {
  readonly mustEnd = false
  readonly #writer: RowGroupWriter

  constructor(spec: SinkParquetSpec, { arena, workspace, reservation, makeRoom }: OpenContext) {
    this.#writer = new RowGroupWriter({
      ...{ schema: spec.schema, shape: shapeOf(spec), arena },
      ...{ buffers: workspace, pages: reservation, makeRoom },
    })
  }

  get rows(): number {
    return this.#writer.rows
  }
  get bytes(): number {
    return this.#writer.chainBytes
  }
  get heldPages(): number {
    return this.#writer.heldPages
  }

  append(batch: number, start: number, rows: number): number {
    return this.#writer.append(batch, start, rows)
  }

  finish(write: (piece: FinishedPiece<RowGroupFooter>) => void): void {
    write(this.#writer.finish())
  }

  clear(): void {
    this.#writer.clear()
  }
}
