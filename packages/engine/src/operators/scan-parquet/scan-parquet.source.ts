/** Worker side of PARQUET SCAN: decodes a row group, then imports it batch by batch. */
import type { WorkspaceSize } from '@spillway/memory'
import { type DecodedRowGroup, type ParquetDecoder, readFileMeta, requireChunk } from '@spillway/formats'
import { assert, makeError } from '@spillway/stdx'
import { queryCounter } from '@spillway/scheduler'
import { ArrowImporter, sizeImporter } from '../../pipeline/arrow-importer.ts'
import { setRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { CodecHolder } from '../../worker/worker-state.ts'
import { DECODE_BATCH_ROWS, type ParquetMorsel, type ScanParquetSpec } from './scan-parquet.ts'

export function sizeScanParquet(spec: ScanParquetSpec, size: WorkspaceSize): void {
  sizeImporter(spec.schema, spec.batchRows, size)
}

export function openScanParquet(spec: ScanParquetSpec, context: OpenContext, claims: MorselClaims): Source {
  return new ParquetSource(spec, context, claims)
}

class ParquetSource implements Source, CodecHolder {
  sequence = 0
  isParked = false
  readonly batch: number
  readonly #spec: ScanParquetSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #importer: ArrowImporter
  readonly #columns: readonly string[]
  #morsel: ParquetMorsel | undefined
  #decoder: ParquetDecoder | undefined
  #decoded: DecodedRowGroup | undefined
  /** Rows of the row group before the next row, and the row after the morsel's last one. */
  #next = 0
  #end = 0
  #range = 0
  /** The decoder's batch that holds `#next`, and its first row. */
  #decodedBatch = 0
  #decodedStart = 0

  constructor(spec: ScanParquetSpec, context: OpenContext, claims: MorselClaims) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#columns = spec.schema.fields.map((field) => field.name)
    this.#importer = new ArrowImporter(context, spec.schema, spec.batchRows, 'PARQUET SCAN')
    this.batch = this.#importer.batch.address
  }

  pull(): PullStatus {
    if (this.#morsel === undefined) return this.#claimMorsel()
    if (this.#next >= this.#end && !this.#nextRange()) {
      this.#closeMorsel()
      return 'morselEnd'
    }
    if (this.#columns.length === 0) return this.#countRows()
    if (this.#decoded === undefined) {
      // Only one row group is decoded on a worker at a time, whatever the number of queries: memory follows it.
      if (!this.#context.query.worker.tryHoldCodec(this)) return 'blocked'
      this.#decode()
      return 'working'
    }
    let decoded = this.#decoded.batches[this.#decodedBatch]
    while (decoded !== undefined && this.#next >= this.#decodedStart + decoded.rowCount) {
      this.#decodedStart += decoded.rowCount
      this.#decodedBatch += 1
      decoded = this.#decoded.batches[this.#decodedBatch]
    }
    assert(decoded !== undefined, 'the decoded batches hold all rows of the row group')
    const offset = this.#next - this.#decodedStart
    const rows = Math.min(decoded.rowCount - offset, this.#end - this.#next)
    this.#next += this.#importer.fill(decoded.columns, offset, rows, this.sequence, this.#next)
    return 'batch'
  }

  #claimMorsel(): PullStatus {
    const index = this.#claims.claim()
    if (index < 0) return 'finished'
    const morsel = this.#spec.morsels[index]
    assert(morsel !== undefined, 'a claimed morsel exists')
    this.#morsel = morsel
    this.sequence = this.#context.sequenceBase + index
    this.#range = -1
    this.#next = 0
    this.#end = 0
    return 'working'
  }

  /** Goes on to the morsel's next range of rows, if there is one. */
  #nextRange(): boolean {
    const range = this.#morsel?.ranges[++this.#range]
    if (range === undefined) return false
    this.#next = range.start
    this.#end = range.start + range.rows
    return true
  }

  /** A scan without columns only counts. */
  #countRows(): PullStatus {
    const rows = Math.min(this.#spec.batchRows, this.#end - this.#next)
    setRows(this.#context.arena, this.batch, rows, this.sequence, this.#next)
    this.#next += rows
    return 'batch'
  }

  #decode(): void {
    const morsel = this.#morsel
    assert(morsel !== undefined, 'a row group is decoded for a claimed morsel')
    const { query, control } = this.#context
    const path = this.#spec.files[morsel.file] as string
    const meta = readFileMeta(path)
    const version = this.#spec.versions[morsel.file]
    if (meta.fileBytes !== version?.fileBytes || meta.modifiedNs !== version.modifiedNs) {
      throw makeError(
        'PARQUET_CORRUPT',
        `File changed while the query ran: ${path} is not the version that was planned. Run the query again.`,
        { file: path, rowGroup: morsel.rowGroup },
      )
    }
    this.#decodedBatch = 0
    this.#decodedStart = 0
    this.#decoder ??= query.worker.openDecoder()
    this.#decoded = this.#decoder.decode(path, meta, morsel.rowGroup, this.#columns, DECODE_BATCH_ROWS)
    query.worker.noteCodecMemory(this.#decoder.memoryBytes())
    const bytes = this.#columns.map((column) => requireChunk(meta, morsel.rowGroup, column).compressedBytes)
    control.count(
      query.slot,
      queryCounter.bytesRead,
      bytes.reduce((sum, part) => sum + part, 0),
    )
  }

  /** Another query needs the codec while this one is parked: the row group is decoded again when it goes on. */
  evictCodec(): void {
    this.#decoded?.free()
    this.#decoded = undefined
  }

  #closeMorsel(): void {
    this.#releaseCodec()
    this.#morsel = undefined
    this.#context.query.worker.collectGarbageSometimes(0)
  }

  #releaseCodec(): void {
    this.#decoded?.free()
    this.#decoded = undefined
    this.#context.query.worker.releaseCodec(this)
  }

  spill(): number {
    return 0
  }

  close(): void {
    this.#releaseCodec()
    this.#importer.close()
  }
}
