/**
 * The bytes of kernels.wasm. A module of its own, because the published package carries them inside its one file
 * instead: there this module is replaced (scripts/pack/replacements).
 */
import { readFileSync } from 'node:fs'

/** Read synchronously from `dist`, 100 KB. */
export function readKernels(): Uint8Array<ArrayBuffer> {
  return readFileSync(new URL('../dist/kernels.wasm', import.meta.url))
}
