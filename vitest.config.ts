// One test project for all packages. Sources are transformed on the fly; other packages are reached through their
// built `dist`, so build first. At most two forks: each may start an engine with worker threads of its own.
import { defineConfig } from 'vitest/config'

/** Slow tests carry `.slow.test.ts`; they run with `node scripts/test.mjs --slow` only. */
const slow = process.env['SPILLWAY_SLOW'] === '1'

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'scripts/**/*.test.mjs'],
    exclude: ['**/node_modules/**', '**/dist/**', ...(slow ? [] : ['**/*.slow.test.ts'])],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    passWithNoTests: true,
    disableConsoleIntercept: true,
  },
})
