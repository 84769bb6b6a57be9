// Builds everything that runs: kernels (WebAssembly), TypeScript packages, a bundle for workers and one for users.
// Flags: --no-kernels, --no-types, --no-worker (both bundles) skip a step.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const skip = new Set(process.argv.slice(2))

/** Runs one step in the repository root; ends this process with the step's exit code when it fails. */
function runStep(title, command, args) {
  const start = performance.now()
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error !== undefined || status !== 0) {
    console.error(`build: ${title} failed${error === undefined ? '' : `: ${error.message}`}`)
    process.exit(status ?? 1)
  }
  console.log(`build: ${title} (${Math.round(performance.now() - start)} ms)`)
}

// Some dependencies are CommonJS and call require for Node's builtins, which ESM output does not define.
const requireBanner = [
  "import { createRequire as spillwayCreateRequire } from 'node:module'",
  "import { fileURLToPath as spillwayFilePath } from 'node:url'",
  'const require = spillwayCreateRequire(import.meta.url)',
  'const spillwayPlace = (path) => new URL(path, import.meta.url)',
].join('\n')

/** What the two bundles have in common. */
const bundleOptions = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  conditions: ['node', 'import'],
  mainFields: ['module', 'main'],
  sourcemap: 'linked',
  metafile: true,
  logLevel: 'warning',
  absWorkingDir: root,
  banner: { js: requireBanner },
}

/** Modules that find files beside themselves (WebAssembly, worker files) go on finding them from within a bundle. */
function placesOf(target) {
  return {
    name: 'places',
    setup(build) {
      build.onLoad({ filter: /(packages\/[^/]+\/dist|node_modules\/piscina\/dist)\/.*\.js$/ }, ({ path }) => {
        const source = readFileSync(path, 'utf8')
        if (!/\bimport\.meta\.url\b|\b__dirname\b/.test(source)) return undefined
        const place = JSON.stringify(relative(dirname(target), path).replaceAll('\\', '/'))
        const contents = source
          .replaceAll('import.meta.url', `spillwayPlace(${place}).href`)
          .replaceAll('__dirname', `spillwayFilePath(new URL('.', spillwayPlace(${place})))`)
        return { contents, loader: 'js' }
      })
    },
  }
}

/** Ends the build when apache-arrow, which costs tens of megabytes and 100 ms, is in a bundle. */
function refuseArrow(metafile, name) {
  const inputs = Object.entries(metafile.inputs)
  const arrow = inputs.map(([path]) => path).filter((path) => /node_modules\/apache-arrow\//.test(path))
  if (arrow.length === 0) return
  const importers = inputs
    .filter(([path, { imports }]) => !arrow.includes(path) && imports.some((each) => arrow.includes(each.path)))
    .map(([path]) => path)
  console.error(`build: apache-arrow is in the ${name} bundle, imported by ${importers.join(', ')}`)
  console.error('build: import a subpath that does not reach it, or load it at its first use (arrow-library.ts)')
  process.exit(1)
}

/** A line that is all comment: `// …`, or the beginning, a further line or the end of a block. */
const commentLine = /^\s*(\/\/.*|\/?\*((?!\*\/).)*(\*\/\s*)?)$/u

/**
 * V8 keeps a source with a character beyond Latin-1 as two bytes per character, in every isolate. The bundler escapes
 * strings, so such characters stand in comments, where they are replaced. A regular expression or a tagged template
 * would become another one: the build ends when one of them has such a character.
 */
function leaveAscii(target, name) {
  const lines = readFileSync(target, 'utf8').split('\n')
  const ascii = lines.map((line) => {
    if (!/[^\p{ASCII}]/u.test(line)) return line
    if (commentLine.test(line)) return line.replace(/[^\p{ASCII}]/gu, '?')
    console.error(`build: a character beyond ASCII outside of comments and strings in the ${name} bundle:\n${line}`)
    console.error('build: write it as \\u{...}, or the comment on a line of its own')
    return process.exit(1)
  })
  writeFileSync(target, ascii.join('\n'))
}

/**
 * Bundles an entry into one file. Reading some 300 small modules takes a process 100 ms and 15 MB; of a worker's start
 * it would be the most.
 */
async function bundle(name, entryPath, targetPath) {
  const [entry, target] = [join(root, entryPath), join(root, targetPath)]
  if (!existsSync(entry)) {
    console.warn(`build: no ${name} entry yet, bundle skipped: ${entryPath}`)
    return
  }
  const { build } = await import('esbuild')
  const start = performance.now()
  const options = { ...bundleOptions, entryPoints: [entry], outfile: target, plugins: [placesOf(target)] }
  const { metafile } = await build(options)
  refuseArrow(metafile, name)
  leaveAscii(target, name)
  const size = (statSync(target).size / 1024).toFixed(0)
  console.log(`build: ${name} bundle ${size} KiB (${Math.round(performance.now() - start)} ms)`)
}

if (!skip.has('--no-kernels')) {
  if (existsSync(join(root, 'scripts/build-kernels.mjs'))) {
    runStep('kernels', process.execPath, ['scripts/build-kernels.mjs'])
  } else {
    console.warn('build: scripts/build-kernels.mjs is missing, kernels skipped')
  }
}
if (!skip.has('--no-types')) runStep('types', process.execPath, ['node_modules/typescript/bin/tsc', '-b'])
if (!skip.has('--no-worker')) {
  await bundle('worker', 'packages/engine/dist/worker/worker-main.js', 'packages/engine/dist/worker.bundle.js')
  await bundle('library', 'packages/spillway/dist/index.js', 'packages/spillway/dist/spillway.bundle.js')
}
