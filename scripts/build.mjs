// Builds everything that runs: kernels (WebAssembly), then TypeScript packages, then the lean worker bundle.
// Flags: --no-kernels, --no-types, --no-worker skip a step.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
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

/**
 * Bundles the worker into one file. Fewer modules mean a smaller heap per worker, and memory is what a worker may not
 * waste: so apache-arrow (which would cost tens of megabytes per worker) is refused at build time.
 */
async function bundleWorker() {
  const entry = join(root, 'packages/engine/dist/worker/worker-main.js')
  if (!existsSync(entry)) {
    console.warn(`build: no worker entry yet, bundle skipped: ${relative(root, entry)}`)
    return
  }
  const { build } = await import('esbuild')
  const target = join(root, 'packages/engine/dist/worker.bundle.js')
  const start = performance.now()
  const result = await build({
    entryPoints: [entry],
    outfile: target,
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
    // Some dependencies are CommonJS and call require for Node's builtins, which ESM output does not define.
    banner: {
      js: [
        "import { createRequire as spillwayCreateRequire } from 'node:module'",
        'const require = spillwayCreateRequire(import.meta.url)',
      ].join('\n'),
    },
  })
  const arrow = Object.keys(result.metafile.inputs).filter((path) => /node_modules\/apache-arrow\//.test(path))
  if (arrow.length > 0) {
    const importers = Object.entries(result.metafile.inputs)
      .filter(
        ([path, input]) => !path.includes('apache-arrow') && input.imports.some((each) => arrow.includes(each.path)),
      )
      .map(([path]) => path)
    console.error(`build: apache-arrow is in the worker bundle, imported by ${importers.join(', ')}`)
    console.error(
      'build: import the file you need (a subpath export) instead of the package face that reaches apache-arrow',
    )
    process.exit(1)
  }
  const size = (statSync(target).size / 1024).toFixed(0)
  console.log(`build: worker bundle ${size} KiB (${Math.round(performance.now() - start)} ms)`)
}

if (!skip.has('--no-kernels')) {
  if (existsSync(join(root, 'scripts/build-kernels.mjs'))) {
    runStep('kernels', process.execPath, ['scripts/build-kernels.mjs'])
  } else {
    console.warn('build: scripts/build-kernels.mjs is missing, kernels skipped')
  }
}
if (!skip.has('--no-types')) runStep('types', process.execPath, ['node_modules/typescript/bin/tsc', '-b'])
if (!skip.has('--no-worker')) await bundleWorker()
