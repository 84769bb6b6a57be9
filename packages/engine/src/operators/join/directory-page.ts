/**
 * Pages that several small directories share, each with a count of who is left in it:
 *
 *   u32 directories that are in use, and one more while the worker that fills the page does │ padding │ directories …
 */
import { PAGE_BYTES } from '@spillway/kernels'
import type { Reservation } from '@spillway/memory'
import type { OpenContext } from '../../pipeline/contracts.ts'

const HEAD_BYTES = 64

/** Cuts directories out of pages that become the query's. */
export class DirectoryPages {
  readonly #context: OpenContext
  readonly #reservation: Reservation
  #cursor = 0
  #end = 0

  constructor(context: OpenContext) {
    this.#context = context
    this.#reservation = context.reservation
  }

  /** Address of `bytes` bytes, fewer than a page's half at least; 0 = refused. */
  take(bytes: number): number {
    const { arena, query } = this.#context
    if (this.#end - this.#cursor < bytes) {
      const page = query.takePublishedPages(this.#reservation, 1)
      if (page === 0) return 0
      this.close()
      arena.u32[page >>> 2] = 1
      this.#cursor = page + HEAD_BYTES
      this.#end = page + PAGE_BYTES
    }
    const address = this.#cursor
    this.#cursor += bytes
    Atomics.add(arena.u32, pageOf(address) >>> 2, 1)
    return address
  }

  /** No more directories are cut out of the present page. */
  close(): void {
    if (this.#end !== 0) leaveDirectoryPage(this.#context, this.#end - PAGE_BYTES)
    this.#cursor = 0
    this.#end = 0
  }
}

/** One less uses the page in which `address` lies; the last one frees it. Returns the pages freed. */
export function leaveDirectoryPage({ arena, query }: Pick<OpenContext, 'arena' | 'query'>, address: number): number {
  const page = pageOf(address)
  if (Atomics.sub(arena.u32, page >>> 2, 1) !== 1) return 0
  query.freePublishedPages(page, 1)
  return 1
}

const pageOf = (address: number): number => address - (address % PAGE_BYTES)
