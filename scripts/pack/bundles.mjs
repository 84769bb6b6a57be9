// The code of the published package: one ES module, one CommonJS module, and the code of worker threads. Everything is
// inside but apache-arrow, whose objects programs exchange with us. The files find each other, and go on working when a
// bundler puts them into a program of its own; how is in replacements.
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { builtinModules, createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const dist = join(root, 'packages/spillway/dist')
const replacements = join(here, 'replacements')

/** What the manifest lists: the package holds these files of `dist` and no others. */
export const bundleFiles = ['spillway.js', 'spillway.cjs', 'spillway-worker.js']
/** Taken as it is. */
export const copiedFiles = ['spillway-arrow.js']

const piscina = dirname(createRequire(join(root, 'packages/scheduler/package.json')).resolve('piscina'))

/**
 * The ES module's own place. Undefined in CommonJS that a bundler made of it. A bundler knows the name `require` and
 * puts what is required into its output, so the name is used for apache-arrow alone, and by way of a module that
 * imports it: so it is the copy that the program's own imports give.
 */
const moduleBanner = [
  "import { createRequire as spillwayCreateRequire } from 'node:module'",
  "import { pathToFileURL as spillwayToUrl } from 'node:url'",
  'const spillwayOtherPlace = () => spillwayToUrl(typeof __filename === "string" ? __filename : process.cwd() + "/").href',
  'const spillwayUrl = import.meta.url ?? spillwayOtherPlace()',
  'const spillwayRequire = spillwayCreateRequire(spillwayUrl.startsWith("file:") ? spillwayUrl : spillwayOtherPlace())',
]
const arrowBanner = [
  'const spillwayHasRequire = typeof require === "function"',
  'const spillwayBundledArrow = () => (spillwayHasRequire ? require("./spillway-arrow.js") : undefined)',
]
const requireBanner = ["const spillwayUrl = require('node:url').pathToFileURL(__filename).href"]

/** Text that must be there exactly once; a new version of a dependency that has it no more ends the build. */
function replaceOnce(text, from, to, where) {
  if (text.split(from).length !== 2) throw Error(`pack: ${where} does not have this text once: ${from}`)
  return text.replace(from, () => to)
}

/** Modules that the published package has in another form: path below the repository -> its replacement. */
function replacedModules(format) {
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

/** Puts `replacements` in place, and joins Piscina's files to ours. */
function publishedParts(format, used) {
  const replaced = replacedModules(format)
  return {
    name: 'published-parts',
    setup(bundler) {
      bundler.onResolve({ filter: /^packed:/ }, ({ path }) => ({ path: path.slice(7), namespace: 'packed' }))
      bundler.onLoad({ filter: /.*/, namespace: 'packed' }, ({ path }) => ({ contents: packedFile(path), loader: 'text' }))
      bundler.onResolve({ filter: /^piscina-worker$/ }, () => ({ path: join(piscina, 'worker.js') }))
      bundler.onResolve({ filter: /^@spillway\/stdx$/ }, ({ resolveDir }) => {
        return resolveDir === replacements ? { path: join(root, 'packages/stdx/dist/index.js') } : undefined
      })
      // Asked for by an option that we do not use; a bundler that found the name would look for the package.
      bundler.onResolve({ filter: /^@napi-rs\/nice$/ }, () => ({ path: 'nice', namespace: 'absent' }))
      bundler.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'export {}' }))
      bundler.onLoad({ filter: /\.js$/ }, ({ path }) => {
        const name = path.slice(root.length + 1).replaceAll('\\', '/')
        const replacement = replaced.get(name)
        if (replacement !== undefined) {
          used.add(name)
          return { contents: readFileSync(join(replacements, replacement), 'utf8'), resolveDir: replacements }
        }
        const load = (from, to) => ({ contents: replaceOnce(readFileSync(path, 'utf8'), from, to, name) })
        if (path === join(piscina, 'index.js')) {
          const worker = JSON.stringify(join(replacements, 'worker-place.js'))
          return load("(0, node_path_1.resolve)(__dirname, 'worker.js')", `require(${worker}).workerPlace()`)
        }
        if (path === join(piscina, 'worker.js')) {
          return load('const handlerCache = new Map();', 'const handlerCache = exports.handlerCache = new Map();')
        }
        return undefined
      })
    },
  }
}

/** The bundler's own `require` for Node's modules must not look like one to the next bundler. */
function hideRequire(path) {
  const text = readFileSync(path, 'utf8')
  const shim = /var __require=\(x=>typeof require<"u"\?require:.*?is not supported'\)\}\);/
  if (!shim.test(text)) throw Error(`pack: ${path} has no "var __require" of the expected form`)
  // As long as it was, so that the source map stays right.
  const hidden = text.replace(shim, (found) => 'var __require=spillwayRequire;'.padEnd(found.length))
  if (/[^.\w]require\("(?!\.\/spillway-arrow\.js")/.test(hidden)) throw Error(`pack: a require is left in ${path}`)
  writeFileSync(path, hidden)
}

/** Names of sources without the way to them on this machine. */
function cleanMap(path) {
  const map = JSON.parse(readFileSync(path, 'utf8'))
  map.sources = map.sources.map((source) => source.replace(/^.*node_modules\//, 'node_modules/').replace(/^(\.\.\/)+/, ''))
  writeFileSync(path, JSON.stringify(map))
}

/** @returns the metafile's inputs, and the packages that stay outside */
async function bundle({ entry, file, format, hasSources }) {
  const used = new Set()
  const outfile = join(dist, file)
  const { metafile } = await build({
    entryPoints: [join(root, entry)],
    ...{ outfile, format, absWorkingDir: root, bundle: true, platform: 'node', target: 'node20' },
    ...{ conditions: ['node', 'import'], mainFields: ['module', 'main'], external: ['apache-arrow', './spillway-arrow.js'] },
    ...{ sourcemap: 'linked', sourcesContent: hasSources, metafile: true, logLevel: 'warning' },
    // Names stay: they are what stacks and errors show.
    ...{ minifySyntax: true, minifyWhitespace: true, legalComments: 'none' },
    define: { 'import.meta.url': 'spillwayUrl' },
    banner: { js: bannerOf(file).join('\n') },
    plugins: [publishedParts(format, used)],
  })
  if (format === 'esm') hideRequire(outfile)
  cleanMap(`${outfile}.map`)
  for (const path of replacedModules(format).keys()) {
    if (file !== 'spillway-worker.js' && !used.has(path)) throw Error(`pack: ${path} is not in the bundle any more`)
  }
  const { inputs } = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint !== undefined)
  const held = Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0)
  if (file === 'spillway-worker.js' && held.some((path) => path.endsWith('worker-place.js'))) {
    throw Error('pack: the code that starts workers is in the code of workers')
  }
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports)
  const packages = outside.map(({ path }) => path).filter((path) => !path.startsWith('.') && !builtinModules.includes(path.replace(/^node:/, '')))
  return { inputs: held, packages }
}

function bannerOf(file) {
  if (file.endsWith('.cjs')) return requireBanner
  return file === 'spillway.js' ? [...moduleBanner, ...arrowBanner] : moduleBanner
}

/**
 * Writes the bundles beside the build's output.
 * @returns the packages that are inside, as folders, and the names of those that stay outside
 */
export async function writeBundles() {
  if (!existsSync(join(dist, 'index.js'))) throw Error('pack: build first (npm run build)')
  const worker = { entry: 'scripts/pack/replacements/worker.js', file: 'spillway-worker.js', format: 'esm' }
  const main = 'packages/spillway/dist/index.js'
  for (const file of copiedFiles) copyFileSync(join(replacements, file), join(dist, file))
  for (const file of bundleFiles) rmSync(join(dist, file), { force: true })
  // The library's two forms have one source; its text is in one of the two maps.
  const outcomes = [
    await bundle({ ...worker, hasSources: true }),
    await bundle({ entry: main, file: 'spillway.js', format: 'esm', hasSources: true }),
    await bundle({ entry: main, file: 'spillway.cjs', format: 'cjs', hasSources: false }),
  ]
  const folders = outcomes.flatMap(({ inputs }) => inputs.map((path) => /^(.*node_modules\/(@[^/]+\/)?[^/]+)\//.exec(path)?.[1]))
  return {
    inside: [...new Set(folders)].filter((folder) => folder !== undefined).map((folder) => join(root, folder)),
    outside: [...new Set(outcomes.flatMap(({ packages }) => packages))].sort(),
  }
}
