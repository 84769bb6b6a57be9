/**
 * In-memory tables that workers know: shared once, named by an id afterwards, dropped when the program dropped them.
 * A table of a thousand chunks costs tens of milliseconds to describe to a worker, so it is not sent with each query.
 */
import { type SharedTable, shareTable, tableMessage } from '@spillway/columnar'
import type { ToWorker } from '@spillway/scheduler'

export class TableRegistry {
  readonly #broadcast: (message: ToWorker) => void
  #ids = new WeakMap<object, number>()
  #nextId = 1
  readonly #dropped: FinalizationRegistry<number>

  constructor(broadcast: (message: ToWorker) => void) {
    this.#broadcast = broadcast
    this.#dropped = new FinalizationRegistry((tableId) => this.#broadcast({ kind: 'dropTable', tableId }))
  }

  /** The table's id; shares it with the workers the first time. */
  idOf(table: object): number {
    const known = this.#ids.get(table)
    if (known !== undefined) return known
    const tableId = this.#nextId++
    this.#ids.set(table, tableId)
    this.#dropped.register(table, tableId)
    this.#broadcast({ kind: 'shareTable', tableId, table: tableMessage(shareTable(table as SharedTable)) })
    return tableId
  }

  /** New workers know nothing. */
  forgetAll(): void {
    this.#ids = new WeakMap()
  }
}
