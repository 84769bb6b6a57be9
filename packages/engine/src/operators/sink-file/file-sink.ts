/** Worker side of all file sinks: rows go to an encoder; what it finished is written where the shared counter says. */
import { outputCalls, writeOutputBody } from '@spillway/formats'
import { queryCounter } from '@spillway/scheduler'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, Sink } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { PieceLimits, SinkFileOutput, SinkFileSpec } from './sink-file.ts'

/** A piece that is complete, before its place in the file is known. */
export interface FinishedPiece<F> {
  readonly bytes: number
  /** The bytes in the order of the file. */
  readonly pieces: readonly Uint8Array[]
  /** What the file's tail says when the piece is written from `offset` on. */
  readonly footerAt: (offset: number) => F
}

/** Makes the pieces of one format out of batches. */
export interface FileEncoder<F> {
  /** Rows of the piece in the making. */
  readonly rows: number
  /** Encoded bytes of it so far. */
  readonly bytes: number
  /** The piece must end now, whatever its limits say: it refers to the batch that was appended last. */
  readonly mustEnd: boolean
  /** Pages it would give back if the piece ended. */
  readonly heldPages: number
  /** Takes some of the first of selected rows [start, start + rows); returns how many. 0 = the piece must end first. */
  append(batch: number, start: number, rows: number): number
  /** Ends the piece, which may come in several; what `write` gets is valid during the call. */
  finish(write: (piece: FinishedPiece<F>) => void): void
  /** Begins the next piece. */
  clear(): void
}

export class FileSink<F> implements Sink {
  readonly #spec: SinkFileSpec
  readonly #limits: PieceLimits
  readonly #context: OpenContext
  readonly #encoder: FileEncoder<F>
  #firstSequence = 0
  #claims: MorselClaims | undefined
  /** The last morsel that was ended, all of whose rows are taken. */
  #endedSequence = -1
  /** Of all morsels so far: what a run should hold follows from it. */
  #morsels = 0
  #rows = 0
  #bytes = 0

  constructor(spec: SinkFileSpec, limits: PieceLimits, context: OpenContext, encoder: FileEncoder<F>) {
    this.#spec = spec
    this.#limits = limits
    this.#context = context
    this.#encoder = encoder
  }

  consume(batch: number, sequence: number): 'taken' {
    const { arena, meter, query, control } = this.#context
    const encoder = this.#encoder
    const limits = this.#limits
    const count = selectedRows(arena, batch)
    this.#endBefore(sequence)
    for (let start = 0; start < count; ) {
      if (encoder.rows === 0) this.#firstSequence = sequence
      const taken = encoder.append(batch, start, Math.min(count - start, limits.rows - encoder.rows))
      start += taken
      // No memory for more of the piece, or it is full.
      if (taken === 0 || encoder.mustEnd || encoder.rows >= limits.rows || encoder.bytes >= limits.bytes) this.#flush()
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
   * A run of morsels ends when another worker may have taken the next one. The piece stays open: it goes on when the
   * next morsel is this worker's after all.
   */
  endMorsel(sequence: number): 'taken' {
    // A morsel without rows may follow another worker's, too.
    this.#endBefore(sequence)
    this.#endedSequence = sequence
    this.#morsels += 1
    const claims = this.#claims
    if (claims === undefined || !this.#spec.isOrdered || !claims.isRunEnd) return 'taken'
    const { rows, bytes } = this.#limits
    const byRows = (rows * this.#morsels) / Math.max(1, this.#rows)
    const byBytes = (bytes * this.#morsels) / Math.max(1, this.#bytes + this.#encoder.bytes)
    // A run is as many morsels as fill a piece and do not overfill it.
    claims.setRunLength(Math.floor(Math.min(byRows, byBytes)), this.#context.query.setup.threads)
    return 'taken'
  }

  /** Ends the piece if another worker has the rows between it and this morsel. */
  #endBefore(sequence: number): void {
    const isNext = sequence <= this.#endedSequence + 1 || this.#endedSequence < this.#firstSequence
    if (this.#spec.isOrdered && !isNext) this.#flush()
  }

  publish(): undefined {
    this.#flush()
    return undefined
  }

  /** Ends the piece, whose pages are then free. */
  spill(): number {
    const { heldPages } = this.#encoder
    if (heldPages > 0) this.#flush()
    return heldPages
  }

  #flush(): void {
    const encoder = this.#encoder
    if (encoder.rows > 0) encoder.finish((piece) => this.#write(piece))
    encoder.clear()
  }

  #write({ bytes, pieces, footerAt }: FinishedPiece<F>): void {
    const { query, control } = this.#context
    this.#bytes += bytes
    const offset = control.count(query.slot, queryCounter.sinkOffset + this.#spec.outputIndex, bytes)
    writeOutputBody(this.#spec.temporaryPath, pieces, offset, outputCalls(query.setup.testing.outputFault))
    const output: SinkFileOutput<F> = {
      kind: 'piece',
      sequence: this.#firstSequence,
      offset,
      bytes,
      footer: footerAt(offset),
    }
    query.postOutput(this.#spec.sinkId, output, [])
  }

  close(): void {}
}
