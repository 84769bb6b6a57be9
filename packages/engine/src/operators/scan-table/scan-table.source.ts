/** Worker side of SCAN over a table in memory. */
import type { ArrowColumn, SharedTable } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import type { WorkspaceSize } from '@spillway/memory'
import { ArrowImporter, sizeImporter } from '../../pipeline/arrow-importer.ts'
import type { OpenContext, PullStatus, Source } from '../../pipeline/contracts.ts'
import type { MorselClaims } from '../../pipeline/morsel-claims.ts'
import type { ScanTableSpec, TableMorsel } from './scan-table.ts'

export function sizeScanTable(spec: ScanTableSpec, size: WorkspaceSize): void {
  sizeImporter(spec.schema, spec.batchRows, size)
}

export function openScanTable(spec: ScanTableSpec, context: OpenContext, claims: MorselClaims): Source {
  return new TableSource(spec, context, claims, context.query.requireTable(spec.tableId))
}

class TableSource implements Source {
  sequence = 0
  isParked = false
  readonly batch: number
  readonly #spec: ScanTableSpec
  readonly #context: OpenContext
  readonly #claims: MorselClaims
  readonly #table: SharedTable
  readonly #importer: ArrowImporter
  #morsel: readonly TableMorsel[] | undefined
  #piece = 0
  #done = 0
  #rowInMorsel = 0
  #columns: readonly ArrowColumn[] = []

  constructor(spec: ScanTableSpec, context: OpenContext, claims: MorselClaims, table: SharedTable) {
    this.#spec = spec
    this.#context = context
    this.#claims = claims
    this.#table = table
    this.#importer = new ArrowImporter(context, spec.schema, spec.batchRows, 'IN-MEMORY SCAN')
    this.batch = this.#importer.batch.address
  }

  pull(): PullStatus {
    if (this.#morsel === undefined) {
      const index = this.#claims.claim()
      if (index < 0) return 'finished'
      this.#morsel = this.#spec.morsels[index]
      assert(this.#morsel !== undefined, 'a claimed morsel exists')
      this.sequence = this.#context.sequenceBase + index
      this.#piece = -1
      this.#rowInMorsel = 0
      this.#nextPiece()
    }
    const piece = this.#morsel[this.#piece]
    if (piece === undefined) {
      this.#morsel = undefined
      return 'morselEnd'
    }
    const rows = this.#importer.fill(
      this.#columns,
      piece.start + this.#done,
      piece.rows - this.#done,
      this.sequence,
      this.#rowInMorsel,
    )
    this.#done += rows
    this.#rowInMorsel += rows
    if (this.#done >= piece.rows) this.#nextPiece()
    return 'batch'
  }

  #nextPiece(): void {
    this.#piece += 1
    this.#done = 0
    const piece = this.#morsel?.[this.#piece]
    const chunk = piece === undefined ? undefined : this.#table.chunks[piece.chunk]
    // Asked for once: a packed chunk makes its views at each access.
    const columns = chunk?.columns
    this.#columns = this.#spec.positions.map((position) => columns?.[position] as ArrowColumn)
  }

  spill(): number {
    return 0
  }

  close(): void {
    this.#importer.close()
  }
}
