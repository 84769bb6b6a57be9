// Installs the workspace with a pinned pnpm that runs on Node 20, when the lock file changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { restore } from './pack/restore.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
restore()
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const lock = readFileSync(join(root, 'pnpm-lock.yaml'))
const stamp = join(root, 'node_modules', '.spillway-setup')
const wanted = createHash('sha256').update(lock).update(packageManager).digest('hex')

if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) process.exit(0)
console.log(`Installing with ${packageManager} ...`)
const { status } = spawnSync('npx', ['-y', packageManager, 'install', '--frozen-lockfile'], {
  cwd: root,
  stdio: 'inherit',
})
if (status !== 0) {
  console.error('setup: installing failed (see above). Setup needs Node 20.19 or later, npm and its registry.')
  process.exit(status ?? 1)
}
mkdirSync(dirname(stamp), { recursive: true })
writeFileSync(stamp, wanted)
