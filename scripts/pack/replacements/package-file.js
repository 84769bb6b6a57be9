// The place of a file that lies beside the published code because it is too large to be inside: in the sources it is
// asked for as `createRequire(import.meta.url).resolve('package/file.wasm')`.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { makeError } from '@spillway/stdx'

export function packageFile(name) {
  const url = import.meta.url.startsWith('file:') ? new URL(`./${name}`, import.meta.url) : undefined
  const path = url === undefined ? undefined : fileURLToPath(url)
  if (path !== undefined && existsSync(path)) return path
  const text = [
    `The file ${name} of the package spillway is not found.`,
    'If the program was bundled, make "spillway" external for the bundler and install it beside the output;',
    'otherwise install spillway again.',
  ].join(' ')
  throw makeError('PACKAGE_INCOMPLETE', text, { file: name })
}
