/**
 * Merges sorted runs, wherever their rows lie: drives the kernel's tree of losers and gives it the next piece of a run
 * when one has ended.
 */
import { mergeState, mergeStopped, PAGE_BYTES } from '@spillway/kernels'
import type { WorkspaceSize } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'

/** Entries [cursor, end) of a run. */
export interface Piece {
  readonly cursor: number
  readonly end: number
}

/** A run as the merge sees it. */
export interface PieceSource {
  /**
   * The next piece, `ended`, or `busy`: rows that were merged but not taken yet lie where it would go.
   * @param isPending whether there are such rows
   */
  next(isPending: boolean): Piece | 'ended' | 'busy'
}

/** Why `fill` came back: enough rows, the bound, the end, or rows must be taken before the merge can go on. */
export type MergeStop = 'full' | 'bound' | 'ended' | 'busy'

/** A tree for so many runs lies in the workspace; a larger one needs pages. */
export const LEAVES_IN_WORKSPACE = 1024
const LEAF_BYTES = 28
const WORKSPACE_BYTES = 64 + LEAVES_IN_WORKSPACE * LEAF_BYTES

export function sizeRunMerge(size: WorkspaceSize): void {
  size.add(WORKSPACE_BYTES)
}

export class RunMerge {
  readonly #context: OpenContext
  readonly #operator: string
  readonly #order: number
  #runs: readonly PieceSource[] = []
  readonly #workspace: number
  #state = 0
  /** Pages of the state, if it does not lie in the workspace. */
  #pages = 0
  /** A run whose piece has ended; -1 = none. */
  #waiting = -1
  stopped: MergeStop = 'ended'

  /** @param order address of the order's table */
  constructor(context: OpenContext, operator: string, order: number) {
    this.#context = context
    this.#operator = operator
    this.#order = order
    this.#workspace = context.workspace.take(WORKSPACE_BYTES)
  }

  get isOpen(): boolean {
    return this.#state !== 0
  }

  /** Takes memory for the tree of so many runs. @throws MEMORY_LIMIT */
  open(runs: readonly PieceSource[]): void {
    const { arena, reservation } = this.#context
    let leaves = 1
    while (leaves < runs.length) leaves *= 2
    this.#runs = runs
    const bytes = arena.kernels.mergeStateBytes(leaves) >>> 0
    this.#pages = bytes <= WORKSPACE_BYTES ? 0 : Math.ceil(bytes / PAGE_BYTES)
    this.#state = this.#pages === 0 ? this.#workspace : reservation.take(this.#pages)
    if (this.#state === 0) throw this.#noRoom()
    arena.kernels.mergeInit(this.#state, runs.length, leaves, this.#order)
  }

  /** Gives a run its first piece. */
  start(run: number): void {
    this.#setPiece(run, this.#runs[run]?.next(false) ?? 'ended')
  }

  /** After the first pieces of all runs. */
  play(): void {
    this.#context.arena.kernels.mergeOpen(this.#state)
    this.#waiting = -1
  }

  #setPiece(run: number, piece: Piece | 'ended' | 'busy'): boolean {
    if (piece === 'busy') return false
    const { kernels } = this.#context.arena
    if (piece === 'ended') kernels.mergeSetPiece(this.#state, run, 0, 0)
    else kernels.mergeSetPiece(this.#state, run, piece.cursor, piece.end)
    return true
  }

  /** Addresses of the next rows, u32 × at most `count`, all below the bound (0 = none). Returns how many. */
  fill(out: number, count: number, bound: number): number {
    const { arena } = this.#context
    arena.u32[(this.#state + mergeState.bound) >>> 2] = bound
    let filled = 0
    for (;;) {
      if (this.#waiting >= 0) {
        if (!this.#setPiece(this.#waiting, this.#runs[this.#waiting]?.next(filled > 0) ?? 'ended')) {
          this.stopped = 'busy'
          return filled
        }
        this.#waiting = -1
        arena.kernels.mergeReplay(this.#state)
      }
      filled += arena.kernels.mergeRows(this.#state, out + filled * 4, count - filled)
      switch (arena.u32[(this.#state + mergeState.stopped) >>> 2]) {
        case mergeStopped.pieceEnded:
          this.#waiting = arena.u32[(this.#state + mergeState.winner) >>> 2] as number
          if (filled < count) continue
          this.stopped = 'full'
          return filled
        case mergeStopped.isFull:
          this.stopped = 'full'
          return filled
        case mergeStopped.atBound:
          this.stopped = 'bound'
          return filled
        default:
          this.stopped = 'ended'
          return filled
      }
    }
  }

  close(): void {
    if (this.#state !== 0 && this.#pages > 0) this.#context.reservation.give(this.#state, this.#pages)
    this.#state = 0
    this.#pages = 0
    this.#runs = []
  }

  #noRoom(): Error {
    const needBytes = this.#pages * PAGE_BYTES
    return makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#operator} to merge ${this.#runs.length} runs: needs ${needBytes} bytes. ` +
        'Raise memoryLimit or lower threads.',
      { operator: this.#operator, needBytes },
    )
  }
}
