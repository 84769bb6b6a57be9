// Which files of the repository are sources: shared by the layer check and the tidy check.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const SKIPPED = new Set(['node_modules', 'dist', '.git', '.cache', 'coverage', 'data', 'results'])

/**
 * Lists files below `directory` recursively, sorted, as paths relative to `directory` with forward slashes.
 * Build output, dependencies and benchmark data are skipped.
 */
export function listFiles(directory, relative = '') {
  const found = []
  for (const entry of readdirSync(join(directory, relative), { withFileTypes: true })) {
    const path = relative === '' ? entry.name : `${relative}/${entry.name}`
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) found.push(...listFiles(directory, path))
    } else if (entry.isFile()) {
      found.push(path)
    }
  }
  return found.sort()
}

/** True for TypeScript and JavaScript sources (declaration files excluded). */
export function isSource(path) {
  return /\.(ts|mts|js|mjs)$/.test(path) && !path.endsWith('.d.ts')
}
