/**
 * Memory that a pipeline's operators take on demand, beyond what they declared: a dictionary, a page larger than its
 * window, a string longer than a heap, a row longer than the room for a batch. A refusal first makes this pipeline's
 * own sinks spill, then is an error.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { makeError } from '@spillway/stdx'
import type { OpenContext } from './contracts.ts'

export class PipelineMemory {
  readonly #context: OpenContext
  readonly #operator: string

  constructor(context: OpenContext, operator: string) {
    this.#context = context
    this.#operator = operator
  }

  /**
   * Address of at least `bytes` bytes, in whole pages. Asked for until the sinks have nothing left to spill, and once
   * more then: meanwhile others may have given pages back.
   * @param what needs them, for the message
   * @throws MemoryLimitError MEMORY_LIMIT
   */
  take(bytes: number, what = 'a single value, page or dictionary'): number {
    const pages = Math.ceil(bytes / PAGE_BYTES)
    const { reservation, makeRoom } = this.#context
    for (let freed = Number.POSITIVE_INFINITY; freed > 0; ) {
      const address = reservation.take(pages)
      if (address !== 0) return address
      freed = makeRoom(pages)
    }
    const address = reservation.take(pages)
    if (address !== 0) return address
    const needBytes = pages * PAGE_BYTES
    throw makeError(
      'MEMORY_LIMIT',
      `Not enough memory in ${this.#operator} for ${what}: needs ${needBytes} bytes. ` +
        'Raise memoryLimit or lower threads.',
      { operator: this.#operator, needBytes },
    )
  }

  /** Gives back what `take(bytes)` returned. */
  give(address: number, bytes: number): void {
    this.#context.reservation.give(address, Math.ceil(bytes / PAGE_BYTES))
  }
}
