/** The fields of a row store in the arena (see row-store-layout.ts of codegen), read and written by the driver. */
import { LOCAL_HEADER_BYTES, type localStore, PARTITION_BYTES, partitionStore } from '@spillway/codegen'

export type StoreField = (typeof localStore)[keyof typeof localStore]
export type PartitionField = keyof typeof partitionStore

export class StoreFields {
  readonly #local: number
  /** Reading `memory.buffer` of a shared memory takes about a microsecond; an arena never grows. */
  readonly words: Uint32Array
  readonly #bytes: Uint8Array

  /** @param local address of the store's header, 16-byte aligned */
  constructor(memory: WebAssembly.Memory, local: number) {
    this.#local = local
    this.words = new Uint32Array(memory.buffer)
    this.#bytes = new Uint8Array(memory.buffer)
  }

  get(offset: StoreField): number {
    return this.u32(this.#local + offset)
  }

  set(offset: StoreField, value: number): void {
    this.setU32(this.#local + offset, value)
  }

  partitionAddress(partition: number): number {
    return this.#local + LOCAL_HEADER_BYTES + partition * PARTITION_BYTES
  }

  part(partition: number, field: PartitionField): number {
    return this.u32(this.partitionAddress(partition) + partitionStore[field])
  }

  setPart(partition: number, field: PartitionField, value: number): void {
    this.setU32(this.partitionAddress(partition) + partitionStore[field], value)
  }

  /** Reads a word anywhere in the arena. */
  u32(address: number): number {
    return this.words[address >>> 2] ?? 0
  }

  setU32(address: number, value: number): void {
    this.words[address >>> 2] = value
  }

  bytesAt(address: number, bytes: number): Uint8Array {
    return this.#bytes.subarray(address, address + bytes)
  }
}
