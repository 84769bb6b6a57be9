// The differences between what is built and what is published: modules that find things in another way when all
// packages are one file. A plugin of the bundler.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
export const replacements = join(here, 'replacements')

const piscina = dirname(createRequire(join(root, 'packages/scheduler/package.json')).resolve('piscina'))

/** Text that must be there exactly once; a new version of a dependency that has it no more ends the build. */
function replaceOnce(text, from, to, where) {
  if (text.split(from).length !== 2) throw Error(`pack: ${where} does not have this text once: ${from}`)
  return text.replace(from, () => to)
}

/** Modules that the published package has in another form: path below the repository -> its replacement. */
export function replacedModules(format) {
  const arrow = format === 'esm' ? 'arrow-library-module.js' : 'arrow-library-require.js'
  return new Map([
    ['packages/kernels/dist/kernels-file.js', 'kernels-file.js'],
    ['packages/engine/dist/worker-file.js', 'worker-file.js'],
    ['packages/columnar/dist/arrow-bridge/arrow-library.js', arrow],
  ])
}

/** Files inside of code: compressed, as text. The worker's own code is read while it is made, but not in use there. */
function packedFile(path) {
  const file = join(root, path)
  return existsSync(file) ? brotliCompressSync(readFileSync(file)).toString('base64') : ''
}

/** WebAssembly of another package, as a source asks for it. */
const foreignFile = /\bcreateRequire\(import\.meta\.url\)\.resolve\(\s*'([^']+\.wasm)',?\s*\)/g

/**
 * A source that asks for another package's file: the published package brings that file, beside its code.
 * @param files takes the name and the path of each
 */
function takeFiles(path, text, files) {
  const helper = JSON.stringify(join(replacements, 'package-file.js'))
  const changed = text.replace(foreignFile, (_, specifier) => {
    const file = createRequire(path).resolve(specifier)
    files.set(basename(file), file)
    return `packageFile(${JSON.stringify(basename(file))})`
  })
  return changed === text ? undefined : `import { packageFile } from ${helper};${changed}`
}

/** The text of one module in its published form; undefined when it is as it was. */
function publishedText(path, replaced, used) {
  const name = path.slice(root.length + 1).replaceAll('\\', '/')
  const replacement = replaced.get(name)
  const text = readFileSync(replacement === undefined ? path : join(replacements, replacement), 'utf8')
  if (replacement !== undefined) {
    used.replaced.add(name)
    return text
  }
  if (path === join(piscina, 'index.js')) {
    const worker = JSON.stringify(join(replacements, 'worker-place.js'))
    return replaceOnce(
      text,
      "(0, node_path_1.resolve)(__dirname, 'worker.js')",
      `require(${worker}).workerPlace()`,
      name,
    )
  }
  if (path === join(piscina, 'worker.js')) {
    const cache = 'const handlerCache = new Map();'
    return replaceOnce(text, cache, 'const handlerCache = exports.handlerCache = new Map();', name)
  }
  return name.startsWith('packages/') ? takeFiles(path, text, used.files) : undefined
}

/**
 * Puts the replacements in place, joins Piscina's files to ours, and finds the files that are needed beside the code.
 * @param used { replaced: Set, files: Map }: what was replaced and found
 */
export function publishedParts(format, used) {
  const replaced = replacedModules(format)
  return {
    name: 'published-parts',
    setup(bundler) {
      bundler.onResolve({ filter: /^packed:/ }, ({ path }) => ({ path: path.slice(7), namespace: 'packed' }))
      bundler.onLoad({ filter: /.*/, namespace: 'packed' }, ({ path }) => ({
        contents: packedFile(path),
        loader: 'text',
      }))
      bundler.onResolve({ filter: /^piscina-worker$/ }, () => ({ path: join(piscina, 'worker.js') }))
      bundler.onResolve({ filter: /^@spillway\/stdx$/ }, ({ resolveDir }) => {
        return resolveDir === replacements ? { path: join(root, 'packages/stdx/dist/index.js') } : undefined
      })
      // Asked for by an option that we do not use; a bundler that found the name would look for the package.
      bundler.onResolve({ filter: /^@napi-rs\/nice$/ }, () => ({ path: 'nice', namespace: 'absent' }))
      bundler.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'export {}' }))
      bundler.onLoad({ filter: /\.js$/ }, ({ path }) => {
        const contents = publishedText(path, replaced, used)
        if (contents === undefined) return undefined
        const isReplaced = contents.startsWith('// Takes the place of')
        return { contents, resolveDir: isReplaced ? replacements : dirname(path) }
      })
    },
  }
}
