/**
 * What to do when a table of groups is refused a page: spill its largest partition, then everything, then give up.
 *
 * Giving up needs a proof that nothing helps: a spilled partition may hold no more than the page that the refused row
 * had just been given, so that spilling it again and again would go on for ever. Two refusals without a row done
 * between them spill all, a third one means that even an empty table cannot take the next row. Then others of the
 * query are asked, as long as they free anything.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { makeError } from '@spillway/stdx'
import type { OpenContext } from '../../pipeline/contracts.ts'
import type { JobStatus } from './group-table.ts'
import type { RowHolder } from './row-shape.ts'

export class Refusals {
  readonly #table: Pick<RowHolder, 'jobProgress' | 'largestPartition' | 'resume'>
  readonly #spill: (partition: number) => void
  readonly #refuse: () => Error
  readonly #askOthers: () => number
  #progress = -1
  #fruitless = 0

  /**
   * @param spill empties a partition of the table
   * @param refuse makes the error when nothing helps
   * @param askOthers frees memory that is held elsewhere; returns the pages, 0 = there are none
   */
  constructor(
    table: Pick<RowHolder, 'jobProgress' | 'largestPartition' | 'resume'>,
    spill: (partition: number) => void,
    refuse: () => Error,
    askOthers: () => number = () => 0,
  ) {
    this.#table = table
    this.#spill = spill
    this.#refuse = refuse
    this.#askOthers = askOthers
  }

  /** Makes room until the job is done. @throws what `refuse` makes */
  settle(first: JobStatus): void {
    for (let status = first; status === 'refused'; status = this.#table.resume()) this.makeRoom()
  }

  /** After one refusal. @throws what `refuse` makes */
  makeRoom(): void {
    const table = this.#table
    this.#fruitless = table.jobProgress === this.#progress ? this.#fruitless + 1 : 0
    this.#progress = table.jobProgress
    const largest = table.largestPartition()
    if (largest < 0 || this.#fruitless > 1) {
      if (this.#askOthers() === 0) throw this.#refuse()
      return
    }
    if (this.#fruitless === 0) this.#spill(largest)
    else for (let rest = largest; rest >= 0; rest = table.largestPartition()) this.#spill(rest)
  }
}

/** What others are asked for when a table's own rows are gone: a heap for a long string. */
export const PAGES_ASKED_OF_OTHERS = 16

/** `MEMORY_LIMIT` of an operator whose table cannot take one more row. */
export function noRoomError(context: OpenContext, operator: string, what: string): Error {
  const { reservation, query, arena } = context
  return makeError(
    'MEMORY_LIMIT',
    `Not enough memory in ${operator}: ${what}. ` +
      `The query needs at least ${query.setup.floorText}. Raise memoryLimit or lower threads.`,
    {
      operator,
      needBytes: PAGE_BYTES,
      heldBytes: reservation.usedPages * PAGE_BYTES,
      guaranteedBytes: reservation.guaranteedPages * PAGE_BYTES,
      arenaUsedBytes: arena.usedPages * PAGE_BYTES,
      arenaReservedBytes: arena.reservedPages * PAGE_BYTES,
      arenaCeilingBytes: arena.reservablePages * PAGE_BYTES,
    },
  )
}
