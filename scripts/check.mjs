// What must hold before a commit: format, lint, types (of tests too), layers, tidy, generated pages, fast tests.
// Runs every step even after a failure and lists the failed ones at the end. --no-tests skips the last step.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const node = process.execPath
const tsc = 'node_modules/typescript/bin/tsc'

const steps = [
  ['format and lint', [node, 'node_modules/@biomejs/biome/bin/biome', 'check', '.']],
  ['build', [node, 'scripts/build.mjs']],
  ['types of tests', [node, tsc, '-p', 'scripts/tsconfig.tests.json']],
  ['layers', [node, 'scripts/check-layers.mjs']],
  ['tidy', [node, 'scripts/tidy.mjs']],
  ['errors doc', [node, 'scripts/generate-errors-doc.mjs', '--check']],
  ...(process.argv.includes('--no-tests') ? [] : [['tests', [node, 'scripts/test.mjs']]]),
]

const failed = []
for (const [name, [command, ...args]] of steps) {
  const start = performance.now()
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`check: ${name} ${status === 0 ? 'ok' : 'FAILED'} (${seconds} s)`)
  if (status !== 0) failed.push(name)
}
if (failed.length > 0) {
  console.error(`check: failed: ${failed.join(', ')}`)
  process.exit(1)
}
console.log('check: all ok')
