/**
 * Compiles packages/kernels/assembly to packages/kernels/dist/kernels.wasm when a source is newer than the result.
 *
 * The module imports its memory (shared, any maximum up to 4 GiB) and keeps page 0 from byte 1024 for constants.
 * Several builds may run at once: each writes a file of its own name and renames it into place.
 *
 *   node scripts/build-kernels.mjs [--force] [--text]     --text also writes kernels.wat beside it
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const sourceFolder = join(root, 'packages/kernels/assembly')
const targetFolder = join(root, 'packages/kernels/dist')
const target = join(targetFolder, 'kernels.wasm')

function isUpToDate() {
  if (process.argv.includes('--force') || !existsSync(target)) return false
  const built = statSync(target).mtimeMs
  const sources = readdirSync(sourceFolder, { recursive: true }).map((name) => join(sourceFolder, String(name)))
  return [...sources, fileURLToPath(import.meta.url)].every((path) => statSync(path).mtimeMs < built)
}

function build() {
  mkdirSync(targetFolder, { recursive: true })
  // The stamp is the time at which the build began: a source saved while asc runs is then newer than the result.
  const temporary = join(targetFolder, `kernels.${process.pid}.tmp.wasm`)
  const text = process.argv.includes('--text') ? ['--textFile', join(targetFolder, 'kernels.wat')] : []
  const asc = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js')
  const result = spawnSync(
    process.execPath,
    [
      asc,
      join(sourceFolder, 'index.ts'),
      ...['-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort='],
      ...['--importMemory', '--sharedMemory', '--initialMemory', '2', '--maximumMemory', '65536'],
      ...['--memoryBase', '1024', '--enable', 'simd', '--enable', 'threads', '--enable', 'bulk-memory'],
      ...['--outFile', temporary, ...text],
    ],
    { cwd: root, stdio: 'inherit' },
  )
  if (result.status !== 0) {
    rmSync(temporary, { force: true })
    process.exit(result.status ?? 1)
  }
  renameSync(temporary, target)
  console.log(`kernels.wasm: ${statSync(target).size} bytes`)
}

if (isUpToDate()) console.log('kernels.wasm is up to date')
else build()
