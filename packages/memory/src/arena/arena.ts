/**
 * The arena: one shared WebAssembly.Memory in which all rows of all running queries live.
 *
 * It is created with initial = maximum, so it never grows and views stay valid; untouched pages cost nothing. The
 * ceiling on resident memory is the allocator's cap (`setCeiling`), not the size of the memory.
 * The main thread creates an Arena, workers attach to its memory; both see the same control words.
 */
import {
  CONTROL_ADDRESS,
  control,
  instantiateKernels,
  type KernelExports,
  kernelsModule,
  PAGE_BYTES,
} from '@spillway/kernels'
import { addressSpaceError, assert, isOutOfAddressSpace } from '@spillway/stdx'

/** What crosses threads. */
export interface ArenaHandle {
  readonly generation: number
  readonly memory: WebAssembly.Memory
  readonly kernels: WebAssembly.Module
}

/** The widest arena a 32-bit memory allows: 4 GiB less one page, so that no end address wraps to 0. */
export const ARENA_PAGES_MAX = 65535

/**
 * Part of the ceiling that is never handed out as pages, so that small results can always leave the arena, however
 * much of it other queries have touched: 4 MiB.
 */
export const RESULT_SLACK_PAGES = 64

/** Kernels read up to 16 bytes past a buffer: the last page is never handed out. */
const GUARD_PAGES = 1

export class Arena {
  readonly handle: ArenaHandle
  readonly kernels: KernelExports
  readonly buffer: SharedArrayBuffer
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly i32: Int32Array
  readonly view: DataView
  readonly firstPage: number

  private constructor(handle: ArenaHandle, isCreator: boolean) {
    this.handle = handle
    this.kernels = instantiateKernels(handle.kernels, handle.memory)
    this.buffer = handle.memory.buffer as unknown as SharedArrayBuffer
    this.u8 = new Uint8Array(this.buffer)
    this.u32 = new Uint32Array(this.buffer)
    this.i32 = new Int32Array(this.buffer)
    this.view = new DataView(this.buffer)
    if (isCreator) this.kernels.arenaInit(this.buffer.byteLength / PAGE_BYTES)
    this.firstPage = this.kernels.arenaFirstPage()
  }

  /** Creates an arena of `pageCount` pages of 64 KiB (address space only). Main thread. @throws ADDRESS_SPACE */
  static create(generation: number, pageCount: number): Arena {
    assert(pageCount >= 8 && pageCount <= ARENA_PAGES_MAX, 'an arena has 8 … 65,535 pages')
    try {
      const memory = new WebAssembly.Memory({ initial: pageCount, maximum: pageCount, shared: true })
      return new Arena({ generation, memory, kernels: kernelsModule() }, true)
    } catch (error) {
      throw isOutOfAddressSpace(error) ? addressSpaceError("the engine's memory could not be reserved", error) : error
    }
  }

  static attach(handle: ArenaHandle): Arena {
    return new Arena(handle, false)
  }

  #word(offset: number): number {
    return (CONTROL_ADDRESS + offset) >>> 2
  }

  #load(offset: number): number {
    return Atomics.load(this.u32, this.#word(offset))
  }

  /**
   * Sets how many pages (counted from the first allocatable one) may be promised, and how many may be handed out.
   * Pages already handed out above a lowered ceiling stay valid until they are freed.
   */
  setCeiling(reservable: number, handedOut: number = reservable): void {
    const most = this.pageCount - this.firstPage - GUARD_PAGES
    Atomics.store(this.u32, this.#word(control.capPages), this.firstPage + Math.max(0, Math.min(handedOut, most)))
    Atomics.store(this.u32, this.#word(control.reservablePages), Math.max(0, Math.min(reservable, most)))
  }

  setPoison(enabled: boolean): void {
    Atomics.store(this.u32, this.#word(control.poison), enabled ? 1 : 0)
  }

  get pageCount(): number {
    return this.#load(control.pageCount)
  }
  get usedPages(): number {
    return this.#load(control.usedPages)
  }
  get reservedPages(): number {
    return this.#load(control.reservedPages)
  }
  get reservablePages(): number {
    return this.#load(control.reservablePages)
  }
  /** Pages that may be resident, the fixed part included. */
  get highWaterPages(): number {
    return Math.max(this.#load(control.highWaterPages), this.firstPage)
  }
  get highWaterBytes(): number {
    return this.highWaterPages * PAGE_BYTES
  }
}
