// Takes away what packing put into packages/spillway: the published manifest, and copies of the repository's papers.
// npm does that after packing; when it was killed, `scripts/setup.mjs` does, which every command runs first. So this
// file needs nothing that has to be installed.
import { existsSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const folder = join(dirname(fileURLToPath(import.meta.url)), '../../packages/spillway')
export const manifest = join(folder, 'package.json')
/** The workspace's manifest while the published one stands in its place. */
export const kept = join(folder, 'dist/package.workspace.json')
const papers = ['README.md', 'LICENSE', 'CHANGELOG.md', 'THIRD-PARTY-LICENSES.md']

/** Nothing to do when the workspace's manifest is in its place. */
export function restore() {
  if (!existsSync(kept)) return
  renameSync(kept, manifest)
  for (const paper of papers) rmSync(join(folder, paper), { force: true })
}
