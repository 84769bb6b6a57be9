/**
 * How far from the start a row of a top-k may lie: the key of the last row that some worker would keep now. Rows beyond
 * are dropped before they are copied, and row groups whose statistics lie beyond are not read.
 *
 *   own bound      the words of the key of this worker's last row, exact
 *   shared bound   of all workers the least first word, inverted so that it only grows: 0 = none yet
 */
import { COLUMN_BYTES, DESCRIPTOR_HEADER_BYTES, descriptor } from '@spillway/columnar'
import type { SortExports } from '@spillway/codegen'
import type { WorkspaceSize } from '@spillway/memory'
import type { ControlBlock } from '@spillway/scheduler'
import { selectedRows } from '../../pipeline/batch-buffers.ts'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { SortSinkSpec, TopRows } from './sort.ts'

const ALL_ONES = (1n << 64n) - 1n

/** The shared bound as the first word of a key; all ones = none. */
export function sharedBound(control: ControlBlock, slot: number, counter: number): bigint {
  return ALL_ONES - BigInt.asUintN(64, Atomics.load(control.counters, control.counterIndex(slot, counter)))
}

function lowerSharedBound(control: ControlBlock, slot: number, counter: number, word: bigint): void {
  const index = control.counterIndex(slot, counter)
  const wanted = BigInt.asIntN(64, ALL_ONES - word)
  for (;;) {
    const present = Atomics.load(control.counters, index)
    if (BigInt.asUintN(64, present) >= BigInt.asUintN(64, wanted)) return
    if (Atomics.compareExchange(control.counters, index, present, wanted) === present) return
  }
}

const boundBytes = (spec: SortSinkSpec): number => (spec.shape.layout.keyWords + 1) * 8
const descriptorBytes = (spec: SortSinkSpec): number =>
  DESCRIPTOR_HEADER_BYTES + spec.shape.layout.fields.length * COLUMN_BYTES

export function sizeTopBound(spec: SortSinkSpec, size: WorkspaceSize): void {
  if (spec.top === undefined) return
  size.add(boundBytes(spec))
  size.add(boundBytes(spec))
  size.add(descriptorBytes(spec))
  size.add(spec.sizes.batchRows * 4)
}

export class TopBound {
  readonly #spec: SortSinkSpec
  readonly #top: TopRows
  readonly #context: OpenContext
  readonly #exports: SortExports
  readonly #own: number
  readonly #shared: number
  readonly #batch: number
  readonly #selection: number
  #hasOwn = false

  constructor(context: OpenContext, spec: SortSinkSpec, top: TopRows, exports: SortExports) {
    this.#context = context
    this.#spec = spec
    this.#top = top
    this.#exports = exports
    const { workspace, arena } = context
    this.#own = workspace.take(boundBytes(spec))
    this.#shared = workspace.take(boundBytes(spec))
    this.#batch = workspace.take(descriptorBytes(spec))
    this.#selection = workspace.take(spec.sizes.batchRows * 4)
    arena.u8.fill(0xff, this.#own, this.#own + boundBytes(spec))
    arena.u8.fill(0xff, this.#shared, this.#shared + boundBytes(spec))
  }

  /** This worker has found a bound. */
  get isKnown(): boolean {
    return this.#hasOwn
  }

  /** The batch with only those rows that may count; 0 = none does. */
  narrow(batch: number): number {
    const { arena } = this.#context
    const [bound, keepsTies] = this.#present()
    if (bound === 0) return batch
    const count = this.#exports.selectBelow(batch, bound, this.#selection, keepsTies) >>> 0
    if (count === 0) return 0
    if (count === selectedRows(arena, batch)) return batch
    arena.u8.copyWithin(this.#batch, batch, batch + descriptorBytes(this.#spec))
    const base = this.#batch >>> 2
    arena.u32[base + (descriptor.selection >>> 2)] = this.#selection
    arena.u32[base + (descriptor.selectionCount >>> 2)] = count
    return this.#batch
  }

  /** Address of the tighter bound, and whether rows that tie with it may count. */
  #present(): readonly [number, number] {
    const { arena, control, query } = this.#context
    const { boundCounter, isInOrder } = this.#top
    const word = boundCounter < 0 ? ALL_ONES : sharedBound(control, query.slot, boundCounter)
    // A row of another worker that ties with this one may come first; so may one that is read out of order.
    if (this.#hasOwn && arena.view.getBigUint64(this.#own, true) <= word) return [this.#own, isInOrder ? 0 : 1]
    if (word === ALL_ONES) return [0, 1]
    arena.view.setBigUint64(this.#shared, word, true)
    return [this.#shared, 1]
  }

  /** `row` is the last one of this worker that counts. */
  lower(row: number): void {
    const { arena, control, query } = this.#context
    arena.u8.copyWithin(this.#own, row, row + boundBytes(this.#spec))
    this.#hasOwn = true
    const { boundCounter } = this.#top
    if (boundCounter >= 0) {
      lowerSharedBound(control, query.slot, boundCounter, arena.view.getBigUint64(row, true))
    }
  }
}
