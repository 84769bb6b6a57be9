/**
 * What a worker keeps for its whole life: its kernels' arena, module instances, the codec, shared tables.
 */
import v8 from 'node:v8'
import vm from 'node:vm'
import { ParquetDecoder, ParquetEncoder } from '@spillway/formats'
import type { SharedTable } from '@spillway/columnar'
import { Arena, type ArenaHandle, type Checksum } from '@spillway/memory'
import type { ControlBlock, ModuleRef } from '@spillway/scheduler'
import { assert } from '@spillway/stdx'

/** A scan that keeps a decoded row group in the codec's memory. */
export interface CodecHolder {
  readonly isParked: boolean
  evictCodec(): void
}

const INSTANCES_MAX = 256
/** A collection of the young part takes a millisecond, of the whole heap 10 to 20; without any, it grows. */
const MORSELS_PER_COLLECTION = 8
const HEAP_GROWTH_MAX = 5e5
/** Dropped buffers lie outside the heap and stay resident until a whole collection. */
const GARBAGE_BYTES_MAX = 2e6

type Collect = (options?: { readonly type: 'minor' }) => void

export class WorkerState {
  readonly worker: number
  readonly control: ControlBlock
  readonly checksum: Checksum
  readonly tables = new Map<number, SharedTable>()
  #parquetModule: WebAssembly.Module | undefined
  readonly #collect: Collect
  #arena: Arena | undefined
  /** By module key, least recently used first. */
  readonly #instances = new Map<string, WebAssembly.Exports>()
  #codecHolder: CodecHolder | undefined
  #encoder: ParquetEncoder | undefined
  #morselsSinceCollection = 0
  #garbageBytes = 0
  /** Used after the last whole collection. */
  #heapBytes: number

  constructor(worker: number, control: ControlBlock, checksum: Checksum) {
    this.worker = worker
    this.control = control
    this.checksum = checksum
    v8.setFlagsFromString('--expose-gc')
    this.#collect = vm.runInNewContext('gc') as Collect
    this.#heapBytes = usedHeapBytes()
  }

  get arena(): Arena {
    assert(this.#arena !== undefined, 'an arena is attached before a query opens')
    return this.#arena
  }

  /** Replaces the arena; instances belong to one memory and go with it. */
  attachArena(handle: ArenaHandle): void {
    this.#arena = undefined
    this.#instances.clear()
    this.#arena = Arena.attach(handle)
  }

  /** The codec's code; its instance, and with it its memory, are made by the first decoder or encoder. */
  attachCodec(module: WebAssembly.Module): void {
    this.#parquetModule = module
  }

  collectGarbage(): void {
    this.#collect()
    this.#morselsSinceCollection = 0
    this.#garbageBytes = 0
    this.#heapBytes = usedHeapBytes()
  }

  /**
   * After a morsel or a row group that left `garbageBytes` of dropped buffers behind: what they were worth is kept low.
   */
  collectGarbageSometimes(garbageBytes: number): void {
    this.#morselsSinceCollection += 1
    this.#garbageBytes += garbageBytes
    if (this.#garbageBytes >= GARBAGE_BYTES_MAX) {
      this.collectGarbage()
    } else if (this.#morselsSinceCollection >= MORSELS_PER_COLLECTION) {
      this.#morselsSinceCollection = 0
      this.#collect({ type: 'minor' })
      if (usedHeapBytes() - this.#heapBytes >= HEAP_GROWTH_MAX) this.collectGarbage()
    }
  }

  /** Exports of a module's instance over the present arena. */
  instantiate({ key, module }: ModuleRef): WebAssembly.Exports {
    const known = this.#instances.get(key)
    if (known !== undefined) {
      this.#instances.delete(key)
      this.#instances.set(key, known)
      return known
    }
    const { handle, kernels } = this.arena
    const imports = { env: { memory: handle.memory }, kernel: kernels as unknown as WebAssembly.ModuleImports }
    const { exports } = new WebAssembly.Instance(module, imports)
    this.#instances.set(key, exports)
    if (this.#instances.size > INSTANCES_MAX) {
      const oldest = this.#instances.keys().next()
      if (oldest.done !== true) this.#instances.delete(oldest.value)
    }
    return exports
  }

  openDecoder(): ParquetDecoder {
    assert(this.#parquetModule !== undefined, 'the codec is loaded before a scan opens')
    return new ParquetDecoder(this.#parquetModule)
  }

  openEncoder(): ParquetEncoder {
    assert(this.#parquetModule !== undefined, 'the codec is loaded before a sink opens')
    this.#encoder ??= new ParquetEncoder(this.#parquetModule)
    return this.#encoder
  }

  /** True when `holder` may keep a decoded row group; a parked holder is evicted, a busy one is waited for. */
  tryHoldCodec(holder: CodecHolder): boolean {
    const present = this.#codecHolder
    if (present !== undefined && present !== holder) {
      if (!present.isParked) return false
      present.evictCodec()
    }
    this.#codecHolder = holder
    return true
  }

  releaseCodec(holder: CodecHolder): void {
    if (this.#codecHolder === holder) this.#codecHolder = undefined
  }

  noteCodecMemory(bytes: number): void {
    this.control.setWorkerMemory(this.worker, Math.ceil(bytes / 1024), 0)
  }
}

function usedHeapBytes(): number {
  return v8.getHeapStatistics().used_heap_size
}
