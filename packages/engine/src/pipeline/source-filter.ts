/**
 * A filter that a source runs itself, so that it brings the other columns only for rows that survive (late
 * materialisation), and the parts in which a filtered batch is then handed out.
 */
import { descriptor } from '@spillway/columnar'
import type { Arena } from '@spillway/memory'
import { type OpenStage, openStage } from '../operators/stage/stage.transform.ts'
import type { StageSpec } from '../operators/stage/stage.ts'
import { selectedRows } from './batch-buffers.ts'
import type { OpenContext } from './contracts.ts'
import { OperatorMeter } from './operator-meter.ts'

export class SourceFilter {
  readonly meter: OperatorMeter
  readonly #stage: OpenStage
  readonly #arena: Arena

  constructor(spec: StageSpec, context: OpenContext) {
    this.meter = new OperatorMeter(spec.operatorId)
    this.#stage = openStage(spec, { ...context, meter: this.meter })
    this.#arena = context.arena
  }

  /** Sets the batch's selection. Only the columns of the filter must be there. Returns the rows that survive. */
  apply(batch: number, rows: number): number {
    return this.measure(rows, () => (this.#stage.apply(batch, 0) === 0 ? 0 : selectedRows(this.#arena, batch)))
  }

  /** Buffer for the selection, u32 × the batch's most rows. */
  get selectionBuffer(): number {
    return this.#stage.selectionBuffer
  }

  /** Runs the filter in another way, which returns the rows that survive. */
  measure(rows: number, run: () => number): number {
    const started = performance.now()
    const selected = run()
    const { counts } = this.meter
    counts.timeMs += performance.now() - started
    counts.rowsIn += rows
    counts.rowsOut += selected
    return selected
  }
}

/**
 * Hands out a filtered batch in parts of consecutive rows: each part's descriptor selects only its own rows, and the
 * rows before it are not looked at again.
 */
export class SelectionParts {
  readonly #arena: Arena
  readonly #batch: number
  #rows = 0
  /** First row that was not handed out or passed over. */
  position = 0
  /** The whole batch's selection, as u32 indices; 0 = every row. */
  #selection = 0
  #count = 0
  /** Selected rows before `position`. */
  #before = 0

  constructor(arena: Arena, batch: number) {
    this.#arena = arena
    this.#batch = batch
  }

  get isOpen(): boolean {
    return this.position < this.#rows
  }
  get rowsLeft(): number {
    return this.#rows - this.position
  }
  /** Rows up to the batch's last survivor: those behind it are not read. */
  get rowsWanted(): number {
    return this.isDense || this.#count === 0 ? this.rowsLeft : this.#rowAt(this.#count - 1) + 1 - this.position
  }
  /** Every row survives: there is no selection, and a part is a batch of its own. */
  get isDense(): boolean {
    return this.#selection === 0
  }

  /** Takes over the batch's selection. */
  open(rows: number): void {
    const { u32 } = this.#arena
    this.#rows = rows
    this.position = 0
    this.#before = 0
    this.#selection = u32[(this.#batch + descriptor.selection) >>> 2] as number
    this.#count = u32[(this.#batch + descriptor.selectionCount) >>> 2] as number
  }

  /** Passes over rows without survivors: before the first one, or all the rest. False when no survivor is left. */
  skipsTo(skip: (rows: number) => void): boolean {
    if (this.isDense) return true
    const next = this.#before < this.#count ? this.#rowAt(this.#before) : this.#rows
    if (next > this.position) skip(next - this.position)
    this.position = next
    return next < this.#rows
  }

  /** The next `rows` rows are read: the descriptor selects them. Returns how many survive. */
  take(rows: number): number {
    const { u32 } = this.#arena
    const end = this.position + rows
    if (this.isDense) {
      this.position = end
      return rows
    }
    const first = this.#before
    this.#before = this.#countBelow(end)
    this.position = end
    const selected = this.#before - first
    const base = this.#batch >>> 2
    u32[base + (descriptor.rowCount >>> 2)] = end
    u32[base + (descriptor.selection >>> 2)] = this.#selection + first * 4
    u32[base + (descriptor.selectionCount >>> 2)] = selected
    return selected
  }

  #rowAt(index: number): number {
    return this.#arena.u32[(this.#selection >>> 2) + index] as number
  }

  /** Selected rows below `row`, by bisection: the selection is ascending. */
  #countBelow(row: number): number {
    if (row >= this.#rows) return this.#count
    let low = this.#before
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#rowAt(middle) < row) low = middle + 1
      else high = middle
    }
    return low
  }
}
