// Takes the place of packages/kernels/src/kernels-file.ts: the published package carries the kernels inside its one
// file, so that a bundler cannot lose them.
import { brotliDecompressSync } from 'node:zlib'
import packed from 'packed:packages/kernels/dist/kernels.wasm'

export function readKernels() {
  return brotliDecompressSync(Buffer.from(packed, 'base64'))
}
