// Where the code of worker threads is found in the published package: the file beside this one, with its source map.
// In the output of a bundler there is no such file; the code comes out of this module then.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync } from 'node:zlib'
import packed from 'packed:packages/spillway/dist/spillway-worker.js'

let place

/** A path, or a URL that holds the whole code: what the constructor of a thread takes. */
export function workerPlace() {
  place ??= findFile() ?? unpack()
  return place
}

function findFile() {
  const url = new URL('./spillway-worker.js', import.meta.url)
  if (url.protocol !== 'file:') return undefined
  const path = fileURLToPath(url)
  return existsSync(path) ? path : undefined
}

function unpack() {
  const code = brotliDecompressSync(Buffer.from(packed, 'base64'))
  return new URL(`data:text/javascript;base64,${code.toString('base64')}`)
}
