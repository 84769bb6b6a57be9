// A project outside of the repository that has the package installed from its tarball, as users have it; and what can
// be asked of it.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const programs = join(root, 'scripts/pack/programs')

/** Longer than anything takes on a busy machine: what is not done then hangs. */
const PATIENCE_MS = 400_000

/** Nothing of the repository's own setting reaches the programs of the project. */
const none = ['SPILLWAY_TEMP_DIR', 'SPILLWAY_MEMORY_LIMIT', 'SPILLWAY_THREADS', 'SPILLWAY_VERBOSE', 'NODE_OPTIONS']
const environment = { ...process.env, ...Object.fromEntries(none.map((name) => [name, ''])) }

/** Runs a command and gives what it prints; ends with an error when it fails. */
export function run(command, args, { cwd, env = {} }) {
  const options = { cwd, env: { ...environment, ...env }, encoding: 'utf8', timeout: PATIENCE_MS, maxBuffer: 1e8 }
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, options)
  if (status === 0) return { stdout, stderr }
  const reason = error?.message ?? (signal === null ? `code ${status}` : signal)
  throw Error(`${command} ${args.join(' ')} ended with ${reason}:\n${stdout}\n${stderr}`)
}

export function install(cwd, packages) {
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error']
  run('npm', ['install', ...quiet, ...packages], { cwd })
}

/** Packs packages/spillway. @returns the tarball's path, and what npm says of it */
export function pack(folder) {
  const args = ['pack', '--json', '--loglevel=error', '--pack-destination', folder]
  const { stdout } = run('npm', args, { cwd: join(root, 'packages/spillway'), env: { SPILLWAY_IS_BUILT: '1' } })
  // What `prepack` and `postpack` print comes first; npm 10 gives a list, later ones a record by name.
  const [facts] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m))))
  return { tarball: join(folder, facts.filename), files: facts.files.map(({ path }) => path).sort() }
}

/** An empty folder outside of the repository; `remove` it. */
export function makeFolder() {
  return realpathSync(mkdtempSync(join(tmpdir(), 'spillway-pack-')))
}

export const removeFolder = (folder) => rmSync(folder, { recursive: true, force: true })

/** Writes the programs of the check into `folder`, and the exercise in its CommonJS form. */
export function writePrograms(folder) {
  cpSync(programs, folder, { recursive: true })
  const text = readFileSync(join(programs, 'exercise.mjs'), 'utf8')
  writeFileSync(join(folder, 'exercise.cjs'), transformSync(text, { format: 'cjs', platform: 'node' }).code)
  const types = readFileSync(join(programs, 'types.ts'), 'utf8')
  for (const name of ['types.mts', 'types.cts']) writeFileSync(join(folder, name), types)
}

/** Bytes of all files below `folder`. */
export function folderBytes(folder) {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) bytes += folderBytes(path)
    else if (entry.isFile()) bytes += statSync(path).size
  }
  return bytes
}

/** What npm wrote of the packages that it installed in `cwd`: their folders, by path from there, and dependencies. */
function lockOf(cwd) {
  return JSON.parse(readFileSync(join(cwd, 'node_modules/.package-lock.json'), 'utf8')).packages
}

/** The folders of all packages that are installed in `cwd`. */
export function installedPackages(cwd) {
  return Object.keys(lockOf(cwd)).map((path) => join(cwd, path))
}

/** The folders of a package and of all that it needs, where none is installed twice. */
export function packagesOf(cwd, name, found = new Set()) {
  const path = `node_modules/${name}`
  if (found.has(join(cwd, path))) return found
  found.add(join(cwd, path))
  for (const each of Object.keys(lockOf(cwd)[path].dependencies ?? {})) packagesOf(cwd, each, found)
  return found
}
