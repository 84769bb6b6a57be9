/** The files of a split: rows of a partition go to one of 2^SPLIT_BITS files by their next hash bits. */
import { formatBytes, newSpillFile, type SpillFileState } from '@spillway/memory'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { SPLIT_BITS } from './group-by.ts'
import { noRoomError, Refusals } from './refusals.ts'
import { chainBytes } from './row-chain.ts'
import type { RowHolder, RowShape } from './row-shape.ts'
import type { RowSpiller } from './row-spiller.ts'

export class SplitParts {
  /** Makes room in the table by writing parts of it out. */
  readonly refusals: Refusals
  readonly #context: OpenContext
  readonly #spiller: RowSpiller
  readonly #table: RowHolder
  readonly #shape: RowShape
  readonly #files: SpillFileState[]

  /** @param stem what the names of its files begin with */
  constructor(
    context: OpenContext,
    shape: RowShape,
    stem: string,
    spiller: RowSpiller,
    table: RowHolder,
    label: string,
  ) {
    this.#shape = shape
    this.#context = context
    this.#spiller = spiller
    this.#table = table
    const { query } = context
    this.#files = Array.from({ length: 2 ** SPLIT_BITS }, (_, part) =>
      newSpillFile(query.spillPath(`${stem}-p${label}.${part}`), shape.spillSchema),
    )
    this.refusals = new Refusals(
      table,
      (part) => this.#spill(part),
      () => noRoomError(context, shape.text, `partition ${label} cannot be split, one of its rows fits nowhere`),
    )
  }

  /** Returns the files by part; undefined where a part has no rows. */
  spillAll(): (SpillFileState | undefined)[] {
    for (let part = 0; part < this.#table.partitionCount; part++) {
      if (this.#table.partitionBytes(part) > 0) this.#spill(part)
    }
    return this.#files.map((file) => (file.rows > 0 ? file : undefined))
  }

  #spill(part: number): void {
    const { reservation, query } = this.#context
    const chain = this.#table.takePartition(part)
    try {
      this.#files[part] = this.#spiller.write(this.#files[part] as SpillFileState, chain, part)
    } finally {
      reservation.giveChain(chain.rowHead)
      reservation.giveChain(chain.heapHead)
    }
    query.log(`${this.#shape.logName}: split part ${part} on disk (${formatBytes(chainBytes(chain))})`)
  }
}
