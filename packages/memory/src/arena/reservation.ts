/**
 * A worker's share of memory for one query: asks before it allocates, and takes a refusal as a value.
 *
 * `guaranteedPages` were reserved at admission (the floor) and are always granted. Everything above is asked from the
 * arena's common pool and given back as soon as it is freed, so that a waiting query or worker can have it.
 * One owner, one thread: never shared.
 */
import { assert } from '@spillway/stdx'
import type { Arena } from './arena.ts'

export interface ReservationOptions {
  readonly arena: Arena
  /** Owner tag of the pages: every page of a query carries its owner, so that closing the query frees them all. */
  readonly owner: number
  readonly guaranteedPages: number
  /** Most pages this worker may hold, however much is free: keeps room for other workers and waiting queries. */
  readonly maxPages: number
  /** Called after each change with the pages in use (published for arbitration). */
  readonly onChange: (usedPages: number) => void
  /** Asked before each page request; true refuses it (fault injection in tests). */
  readonly shouldRefuse: () => boolean
  /** True while a query waits for admission: no single page above the guaranteed ones is asked for then. */
  readonly isPressed: () => boolean
}

export class Reservation {
  readonly #options: ReservationOptions
  #usedPages = 0
  #extraPages = 0
  /** Promised pages that are kept beyond those in use, see `takeBack`. */
  #keptPages = 0
  #peakPages = 0
  #refusals = 0
  #guaranteedPages: number

  constructor(options: ReservationOptions) {
    assert(options.owner > 0 && options.owner < 65535, 'an owner tag is 1 … 65,534')
    this.#options = options
    this.#guaranteedPages = options.guaranteedPages
  }

  get usedPages(): number {
    return this.#usedPages
  }
  get guaranteedPages(): number {
    return this.#guaranteedPages
  }
  get maxPages(): number {
    return this.#options.maxPages
  }
  get peakPages(): number {
    return this.#peakPages
  }
  get refusals(): number {
    return this.#refusals
  }

  /**
   * Allocates `count` contiguous pages. Returns their address, or 0 when refused: shrink or spill, then ask again.
   */
  take(count: number): number {
    const { arena, owner } = this.#options
    if (!this.#tryGrow(count)) return this.#refuse()
    const address = arena.kernels.pageAlloc(owner, count) >>> 0
    if (address === 0) {
      // Promised, but too fragmented (or the ceiling was lowered): the same answer as a refused promise.
      this.#shrink(count)
      return this.#refuse()
    }
    this.#options.onChange(this.#usedPages)
    return address
  }

  /** `count` guaranteed pages are in use that lie in a region which somebody else took. */
  useRegion(count: number): void {
    assert(this.#usedPages + count <= this.#guaranteedPages, 'only guaranteed pages can lie in a region')
    this.#usedPages += count
    this.#peakPages = Math.max(this.#peakPages, this.#usedPages)
    this.#options.onChange(this.#usedPages)
  }

  leaveRegion(count: number): void {
    this.#shrink(count)
    this.#options.onChange(this.#usedPages)
  }

  /**
   * Keeps `count` of the guaranteed pages out of use until `takeBack`: what is granted meanwhile leaves them for a
   * later phase that must not be refused. That phase ends with `endAside`.
   */
  setAside(count: number): void {
    assert(this.#usedPages + count <= this.#guaranteedPages, 'only guaranteed pages can be set aside')
    this.#usedPages += count
    this.#options.onChange(this.#usedPages)
  }

  /**
   * The pages that were set aside may be used now. Their promise stays even while more than the guaranteed pages are in
   * use, and comes back when such a page is given back.
   */
  takeBack(count: number): void {
    assert(count <= this.#usedPages && this.#keptPages === 0, 'pages are taken back that were set aside')
    this.#usedPages -= count
    this.#keptPages = count
    this.#options.onChange(this.#usedPages)
  }

  /** Ends the use of pages that were set aside. */
  endAside(): void {
    this.#keptPages = 0
    this.#shrink(0)
  }

  /** Frees `count` contiguous pages at `address`. */
  give(address: number, count: number): void {
    this.#options.arena.kernels.pageFree(address, count)
    this.#shrink(count)
    this.#options.onChange(this.#usedPages)
  }

  /** Frees a chain of pages. Returns how many there were. */
  giveChain(head: number): number {
    if (head === 0) return 0
    const count = this.#options.arena.kernels.chainFree(head) >>> 0
    this.#shrink(count)
    this.#options.onChange(this.#usedPages)
    return count
  }

  /**
   * Ends this worker's part: of the pages in use all but `freedPages`, which lie in a region, become the query's, with
   * a promise of their own. The guaranteed pages stay promised to the query, whose next pipelines are made of them.
   * @param sparePages of the query's floor that no later pipeline needs: they are promised already
   * @returns pages in use, and how many of the spare ones they took; undefined: a promise was refused, nothing changed
   */
  tryDetach(freedPages: number, sparePages: number): { heldPages: number; spareTaken: number } | undefined {
    const { arena, onChange } = this.#options
    const heldPages = this.#usedPages - freedPages
    const need = this.detachNeed(freedPages)
    const spareTaken = Math.max(0, Math.min(need, sparePages))
    const missing = need - spareTaken
    if (missing > 0 && arena.kernels.reserve(missing) === 0) return undefined
    if (missing < 0) arena.kernels.release(-missing)
    this.#guaranteedPages = 0
    this.#extraPages = 0
    this.#usedPages = 0
    onChange(0)
    return { heldPages, spareTaken }
  }

  /** Pages whose promise `tryDetach` would ask for without spare ones; negative: it would give some back. */
  detachNeed(freedPages: number): number {
    assert(freedPages <= this.#usedPages && this.#keptPages === 0, 'a reservation keeps or frees what it uses')
    return this.#usedPages - freedPages - this.#extraPages
  }

  /**
   * `count` pages in use become the query's, with a promise that covers exactly them: the guaranteed pages stay this
   * worker's. False: there is no promise left for that, and nothing has changed.
   */
  handOver(count: number): boolean {
    const { arena, onChange } = this.#options
    assert(count <= this.#usedPages, 'a reservation hands over what it uses')
    const rest = this.#usedPages - count
    const needed = Math.max(0, rest + this.#keptPages - this.#guaranteedPages)
    const missing = needed + count - this.#extraPages
    if (missing > 0 && arena.kernels.reserve(missing) === 0) return false
    if (missing < 0) arena.kernels.release(-missing)
    this.#extraPages = needed
    this.#usedPages = rest
    onChange(rest)
    return true
  }

  /** Gives every promise back. The pages themselves are freed by owner when the query closes. */
  close(): void {
    if (this.#extraPages > 0) this.#options.arena.kernels.release(this.#extraPages)
    this.#extraPages = 0
    this.#usedPages = 0
    this.#options.onChange(0)
  }

  #tryGrow(count: number): boolean {
    const { arena, maxPages, shouldRefuse, isPressed } = this.#options
    const guaranteedPages = this.#guaranteedPages
    const wanted = this.#usedPages + count
    if (wanted > guaranteedPages + this.#extraPages) {
      if (wanted > maxPages || shouldRefuse()) return false
      // Single pages are how rows gather, and spilling helps; a long run is for one string that must go somewhere.
      if (count === 1 && isPressed()) return false
      const missing = wanted - guaranteedPages - this.#extraPages
      if (arena.kernels.reserve(missing) === 0) return false
      this.#extraPages += missing
    }
    this.#usedPages = wanted
    this.#peakPages = Math.max(this.#peakPages, wanted)
    return true
  }

  #shrink(count: number): void {
    assert(count <= this.#usedPages, 'a reservation gives back no more than it took')
    this.#usedPages -= count
    const needed = Math.max(0, this.#usedPages + this.#keptPages - this.#guaranteedPages)
    if (needed < this.#extraPages) {
      this.#options.arena.kernels.release(this.#extraPages - needed)
      this.#extraPages = needed
    }
  }

  #refuse(): 0 {
    this.#refusals += 1
    return 0
  }
}
