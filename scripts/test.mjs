// Runs the tests. Fast by default; --slow adds the files named *.slow.test.ts (whole variants, fuzz, large data).
// Other arguments go to vitest as they are (paths, -t name). The last lines printed are vitest's summary.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const passed = process.argv.slice(2)
const slow = passed.includes('--slow')
const rest = passed.filter((argument) => argument !== '--slow')
const limitMs = (slow ? 120 : 14) * 60_000

const { status, signal } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', join(root, 'vitest.config.ts'), ...rest],
  {
    cwd: root,
    stdio: 'inherit',
    timeout: limitMs,
    killSignal: 'SIGKILL',
    env: { ...process.env, ...(slow ? { SPILLWAY_SLOW: '1' } : {}) },
  },
)
if (signal !== null) {
  console.error(`test: stopped by ${signal}; the limit is ${limitMs / 60_000} minutes`)
  process.exit(1)
}
process.exit(status ?? 1)
