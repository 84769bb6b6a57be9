/** xxHash64 over pieces of memory, shared or not: what guards every spilled block and footer. */
import xxhash from 'xxhash-wasm'

/** @returns the xxHash64 (seed 0) of the pieces, one after the other. */
export type Checksum = (pieces: readonly Uint8Array[]) => bigint

/** The hash's own memory stays this small: pieces are copied into it chunk by chunk. */
const CHUNK_BYTES = 1 << 18

/** Compiles the hash; once per worker. */
export async function createChecksum(): Promise<Checksum> {
  const hashes = await xxhash()
  return (pieces) => {
    const state = hashes.create64()
    for (const piece of pieces) {
      for (let start = 0; start < piece.byteLength; start += CHUNK_BYTES) {
        state.update(piece.subarray(start, start + CHUNK_BYTES))
      }
    }
    return state.digest()
  }
}
