/**
 * A contiguous region of the arena that a running pipeline cuts into fixed buffers when it opens.
 *
 * Buffers are 64-byte aligned and readable past their end. With red zones (test variant `poisoned-arena`) each buffer
 * is followed by a pattern that `check` verifies: an overrun is found at the operator that made it.
 */
import { PAGE_BYTES } from '@spillway/kernels'
import { assert } from '@spillway/stdx'
import type { Arena } from './arena.ts'

/** Every buffer is readable (and, for kernels that store whole words, writable) this far past its end. */
export const BUFFER_PADDING_BYTES = 64
const RED_ZONE_BYTES = 64
const RED_ZONE_BYTE = 0xa5

/** Adds up what a pipeline will take, so that its floor is known before it runs. Same rounding as Workspace. */
export class WorkspaceSize {
  bytes = 0
  /** Counts one buffer of `byteCount` bytes. */
  add(byteCount: number): this {
    this.bytes += roundUp(byteCount + BUFFER_PADDING_BYTES) + RED_ZONE_BYTES
    return this
  }
  get pages(): number {
    return Math.ceil(this.bytes / PAGE_BYTES)
  }
}

export class Workspace {
  readonly address: number
  readonly pages: number
  readonly #arena: Arena
  readonly #redZones: number[] = []
  readonly #poison: boolean
  #cursor: number

  private constructor(arena: Arena, address: number, pages: number, poison: boolean) {
    this.#arena = arena
    this.address = address
    this.pages = pages
    this.#cursor = address
    this.#poison = poison
  }

  /** @param address of `pages` pages that are the caller's, and nobody else's while the workspace is in use */
  static over(arena: Arena, address: number, pages: number, poison: boolean): Workspace {
    if (poison) arena.u8.fill(RED_ZONE_BYTE, address, address + pages * PAGE_BYTES)
    return new Workspace(arena, address, pages, poison)
  }

  /** Cuts a buffer of `byteCount` bytes; its contents are undefined. */
  take(byteCount: number): number {
    const address = this.#cursor
    this.#cursor += roundUp(byteCount + BUFFER_PADDING_BYTES) + RED_ZONE_BYTES
    assert(
      this.#cursor <= this.address + this.pages * PAGE_BYTES,
      'a pipeline takes no more workspace than it declared',
    )
    if (this.#poison) {
      const zone = this.#cursor - RED_ZONE_BYTES
      this.#arena.u8.fill(RED_ZONE_BYTE, zone, this.#cursor)
      this.#redZones.push(zone)
    }
    return address
  }

  /** Verifies the red zones. @throws InternalError when one was overwritten. */
  check(operator: string): void {
    for (const zone of this.#redZones) {
      const intact = this.#arena.u8.subarray(zone, zone + RED_ZONE_BYTES).every((byte) => byte === RED_ZONE_BYTE)
      assert(intact, `a kernel wrote past its buffer in ${operator}, before address ${zone}`)
    }
  }
}

function roundUp(bytes: number): number {
  return (bytes + 63) & ~63
}
