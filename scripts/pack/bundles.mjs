// The code of the published package: one ES module, one CommonJS module, and the code of worker threads. Everything is
// inside but apache-arrow, whose objects programs exchange with us. The files find each other, and go on working when a
// bundler puts them into a program of its own; how is in replacements.
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { publishedParts, replacedModules, replacements } from './published-parts.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const dist = join(root, 'packages/spillway/dist')

const bundleFiles = ['spillway.js', 'spillway.cjs', 'spillway-worker.js']
/** Taken as they are. */
const copiedFiles = ['spillway-arrow.js']

/**
 * The ES module's own place. Undefined in CommonJS that a bundler made of it. A bundler knows the name `require` and
 * puts what is required into its output, so the name is used for apache-arrow alone, and by way of a module that
 * imports it: so it is the copy that the program's own imports give.
 */
const moduleBanner = [
  "import { createRequire as spillwayCreateRequire } from 'node:module'",
  "import { pathToFileURL as spillwayToUrl } from 'node:url'",
  'const spillwayOther = () => spillwayToUrl(typeof __filename === "string" ? __filename : process.cwd() + "/").href',
  'const spillwayUrl = import.meta.url ?? spillwayOther()',
  'const loadCjs = spillwayCreateRequire(spillwayUrl.startsWith("file:") ? spillwayUrl : spillwayOther())',
]
const arrowBanner = [
  'const spillwayHasRequire = typeof require === "function"',
  'const spillwayBundledArrow = () => (spillwayHasRequire ? require("./spillway-arrow.js") : undefined)',
]
const requireBanner = ['"use strict";', "const spillwayUrl = require('node:url').pathToFileURL(__filename).href"]

/**
 * The bundler's own `require` for Node's modules must not look like one to the next bundler. The other name is as long,
 * so that the source map stays right.
 */
function hideRequire(path) {
  const text = readFileSync(path, 'utf8')
  const shim = /var __require=\(x=>typeof require[\s\S]*?\}\);(?=\s*var )/
  if (!shim.test(text)) throw Error(`pack: ${path} has no "var __require" of the expected form`)
  const hidden = text.replace(shim, (found) => found.replace(/\brequire\b/g, 'loadCjs'))
  if (/[^.\w]require\("(?!\.\/spillway-arrow\.js")/.test(hidden)) throw Error(`pack: a require is left in ${path}`)
  writeFileSync(path, hidden)
}

/** Names sources as the repository does; of other packages' the names are enough. */
function cleanMap(path) {
  const map = JSON.parse(readFileSync(path, 'utf8'))
  const isForeign = map.sources.map((source) => source.includes('node_modules/'))
  map.sources = map.sources.map((source, at) => {
    if (isForeign[at]) return source.replace(/^.*node_modules\//, '../node_modules/')
    return `../${relative(root, join(dist, source)).replaceAll('\\', '/')}`
  })
  map.sourcesContent = map.sourcesContent?.map((text, at) => (isForeign[at] ? null : text))
  writeFileSync(path, JSON.stringify(map))
}

/** @returns the metafile's inputs, and the packages that stay outside */
async function bundle({ entry, file, format, hasSources }) {
  const used = { replaced: new Set(), files: new Map() }
  const outfile = join(dist, file)
  const { metafile } = await build({
    entryPoints: [join(root, entry)],
    ...{ outfile, format, absWorkingDir: root, bundle: true, platform: 'node', target: 'node20' },
    ...{
      conditions: ['node', 'import'],
      mainFields: ['module', 'main'],
      external: ['apache-arrow', './spillway-arrow.js'],
    },
    ...{ sourcemap: 'linked', sourcesContent: hasSources, metafile: true, logLevel: 'warning' },
    // Names stay, and lines are short: they are what stacks and uncaught errors show.
    ...{ minifySyntax: true, minifyWhitespace: true, lineLimit: 120, legalComments: 'none' },
    define: { 'import.meta.url': 'spillwayUrl' },
    banner: { js: bannerOf(file).join('\n') },
    plugins: [publishedParts(format, used)],
  })
  if (format === 'esm') hideRequire(outfile)
  cleanMap(`${outfile}.map`)
  for (const path of replacedModules(format).keys()) {
    if (file !== 'spillway-worker.js' && !used.replaced.has(path))
      throw Error(`pack: ${path} is not in the bundle any more`)
  }
  const { inputs } = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint !== undefined)
  const held = Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0)
  if (file === 'spillway-worker.js' && held.some((path) => path.endsWith('worker-place.js'))) {
    throw Error('pack: the code that starts workers is in the code of workers')
  }
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports)
  const packages = outside
    .map(({ path }) => path)
    .filter((path) => !path.startsWith('.') && !builtinModules.includes(path.replace(/^node:/, '')))
  return { inputs: held, packages, files: [...used.files] }
}

function bannerOf(file) {
  if (file.endsWith('.cjs')) return requireBanner
  return file === 'spillway.js' ? [...moduleBanner, ...arrowBanner] : moduleBanner
}

/**
 * Writes the bundles beside the build's output, and the files that they ask for.
 * @returns the packages that are inside, as folders; the names of those that stay outside; the names of all files
 */
export async function writeBundles() {
  if (!existsSync(join(dist, 'index.js'))) throw Error('pack: build first (npm run build)')
  const worker = { entry: 'scripts/pack/replacements/worker.js', file: 'spillway-worker.js', format: 'esm' }
  const main = 'packages/spillway/dist/index.js'
  for (const file of bundleFiles) rmSync(join(dist, file), { force: true })
  // All three are made of the same sources, whose text is in one map; the others have names and lines.
  const outcomes = [
    await bundle({ ...worker, hasSources: false }),
    await bundle({ entry: main, file: 'spillway.js', format: 'esm', hasSources: true }),
    await bundle({ entry: main, file: 'spillway.cjs', format: 'cjs', hasSources: false }),
  ]
  const folders = outcomes.flatMap(({ inputs }) =>
    inputs.map((path) => /^(.*node_modules\/(@[^/]+\/)?[^/]+)\//.exec(path)?.[1]),
  )
  const files = new Map([
    ...copiedFiles.map((file) => [file, join(replacements, file)]),
    ...outcomes.flatMap((outcome) => outcome.files),
  ])
  const wasm = outcomes.some(({ inputs }) => inputs.some((path) => path.includes('node_modules/parquet-wasm/')))
  if (wasm && !files.has('parquet_wasm_bg.wasm')) {
    const wanted = "createRequire(import.meta.url).resolve('parquet-wasm/esm/parquet_wasm_bg.wasm')"
    throw Error(`pack: parquet-wasm is inside, but no source asks for its WebAssembly as ${wanted}`)
  }
  for (const [file, path] of files) copyFileSync(path, join(dist, file))
  return {
    files: [...bundleFiles.flatMap((file) => [file, `${file}.map`]), ...files.keys()],
    inside: [...new Set(folders)].filter((folder) => folder !== undefined).map((folder) => join(root, folder)),
    outside: [...new Set(outcomes.flatMap(({ packages }) => packages))].sort(),
  }
}
