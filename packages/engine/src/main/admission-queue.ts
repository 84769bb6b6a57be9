/**
 * Who is admitted next: queries wait in the order of asking, and one at a time is sized and reserved.
 *
 * The first in line is waited for, however small the ones behind it are. The exception is an engine that stands still:
 * every running query is streamed, and its program takes no batch. That program may wait for one of the queries behind
 * (a `collect` inside a `for await`), so now those are tried too, in order; otherwise nobody would ever go on.
 */
import { throwIfAborted } from './abort-signal.ts'

/** What the queue knows of a query. `C` is what it is admitted by, `A` what an admitted one gets. */
export interface Applicant<C> {
  readonly candidate: C
  readonly signal: AbortSignal | undefined
}

export interface AdmissionRules<C, A> {
  /** Admits the query, or not yet. Throws when it never will. */
  readonly tryAdmit: (candidate: C) => Promise<A | undefined>
  /** For how long every running query has had batches that its program does not take; 0 when not so, or none runs. */
  readonly stalledMs: () => number
  /** Settles when memory may have come back, a query ended, or the signal was given. */
  readonly waitForChange: (signal: AbortSignal | undefined) => Promise<void>
  /** The query is first in line and was refused: running ones should leave memory to it. False: it left the line. */
  readonly press: (candidate: C, isPressing: boolean) => void
  /** What a query ends with that was refused for so long while the engine stood still. */
  readonly outOfPatience: (candidate: C, stalledMs: number) => Error
}

/** So long an engine stands still before others than the first in line are tried. */
const PASS_AFTER_MS = 300
/** A program that takes no batch for so long keeps the others from their memory for ever, as far as one can tell. */
const STALLED_PATIENCE_MS = 30_000

interface Waiter<C, A> extends Applicant<C> {
  readonly since: number
  readonly resolve: (admitted: A) => void
  readonly reject: (error: unknown) => void
}

export class AdmissionQueue<C, A> {
  readonly #rules: AdmissionRules<C, A>
  readonly #patienceMs: number
  readonly #line: Waiter<C, A>[] = []
  /** The one that is tried now: it is not taken out of the line meanwhile. */
  #tried: Waiter<C, A> | undefined
  #pressing: Waiter<C, A> | undefined
  #isServing = false

  constructor(rules: AdmissionRules<C, A>, patienceMs: number = STALLED_PATIENCE_MS) {
    this.#rules = rules
    this.#patienceMs = patienceMs
  }

  get length(): number {
    return this.#line.length
  }

  /** Who waits, first in line first. */
  get waiting(): readonly C[] {
    return this.#line.map(({ candidate }) => candidate)
  }

  /** Waits in line. @throws CancelledError at once when the signal is given, and what `tryAdmit` throws */
  async admit({ candidate, signal }: Applicant<C>): Promise<A> {
    // A signal that was given already tells nobody any more.
    throwIfAborted(signal)
    let abort: () => void = () => {}
    try {
      return await new Promise<A>((resolve, reject) => {
        const waiter = { candidate, signal, since: performance.now(), resolve, reject }
        abort = () => this.#drop(waiter)
        signal?.addEventListener('abort', abort, { once: true })
        this.#line.push(waiter)
        if (!this.#isServing) void this.#serve()
      })
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async #serve(): Promise<void> {
    this.#isServing = true
    for (;;) {
      const first = this.#line[0]
      if (first === undefined) break
      if (await this.#settles(first)) continue
      // Whoever was first may have left while it was tried.
      if (this.#line[0] !== first) continue
      this.#press(first)
      if (!(await this.#letPass())) await this.#rules.waitForChange(first.signal)
    }
    this.#isServing = false
  }

  /** In an engine that stands still: one of those behind the first. False: nobody fits. */
  async #letPass(): Promise<boolean> {
    for (const waiter of this.#line.slice(1)) {
      if (this.#rules.stalledMs() < PASS_AFTER_MS) return false
      if (this.#line.includes(waiter) && (await this.#settles(waiter))) return true
    }
    return false
  }

  /** True: it was admitted, or it failed, and has left the line. */
  async #settles(waiter: Waiter<C, A>): Promise<boolean> {
    this.#tried = waiter
    try {
      throwIfAborted(waiter.signal)
      const admitted = await this.#rules.tryAdmit(waiter.candidate)
      if (admitted !== undefined) {
        this.#leave(waiter)
        // An abort that came meanwhile is found by whoever runs the query.
        waiter.resolve(admitted)
        return true
      }
      throwIfAborted(waiter.signal)
      const stalledMs = this.#rules.stalledMs()
      if (Math.min(stalledMs, performance.now() - waiter.since) >= this.#patienceMs) {
        throw this.#rules.outOfPatience(waiter.candidate, stalledMs)
      }
      return false
    } catch (error) {
      this.#leave(waiter)
      waiter.reject(error)
      return true
    } finally {
      this.#tried = undefined
    }
  }

  #drop(waiter: Waiter<C, A>): void {
    if (this.#tried === waiter) return
    this.#leave(waiter)
    try {
      throwIfAborted(waiter.signal)
    } catch (error) {
      waiter.reject(error)
    }
  }

  #press(waiter: Waiter<C, A>): void {
    if (this.#pressing === waiter) return
    this.#pressing = waiter
    this.#rules.press(waiter.candidate, true)
  }

  #leave(waiter: Waiter<C, A>): void {
    const index = this.#line.indexOf(waiter)
    if (index >= 0) this.#line.splice(index, 1)
    if (this.#pressing !== waiter) return
    this.#pressing = undefined
    this.#rules.press(waiter.candidate, false)
  }
}
