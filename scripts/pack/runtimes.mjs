// Other runtimes than the one that runs the check, as npm has them: Node 22 and 24, Bun, Deno.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { install, root, run } from './project.mjs'

const store = join(root, '.cache/runtimes')
const platform = `${process.platform}-${process.arch}`

/** The first file named `name` below the packages of a scope, each of them for one platform. */
function findBinary(scope, names) {
  const base = join(store, 'node_modules', scope)
  const folders = existsSync(base) ? readdirSync(base) : []
  const paths = folders.flatMap((folder) => names.map((name) => join(base, folder, name)))
  return paths.find((path) => existsSync(path))
}

const runtimes = [
  {
    name: 'Node 22',
    packages: [`node22@npm:node-${platform}@22`],
    find: () => join(store, 'node_modules/node22/bin/node'),
  },
  {
    name: 'Node 24',
    packages: [`node24@npm:node-${platform}@24`],
    find: () => join(store, 'node_modules/node24/bin/node'),
  },
  { name: 'Bun', packages: ['bun@1'], find: () => findBinary('@oven', ['bin/bun']) },
  { name: 'Deno', packages: ['deno@2'], find: () => findBinary('@deno', ['deno']), args: ['run', '--allow-all'] },
]

/** @returns a sentence: which runtimes ran what, and which were not to be had */
export function checkRuntimes({ folder, outside, checkFirstProgram, checkProgram }) {
  mkdirSync(store, { recursive: true })
  writeFileSync(join(store, 'package.json'), '{"private":true}')
  const facts = []
  for (const { name, packages, find, args = [] } of runtimes) {
    try {
      install(store, packages)
    } catch {
      facts.push(`${name} is not to be had`)
      continue
    }
    const binary = find()
    if (binary === undefined) throw Error(`${name} was installed, but has no binary where it was looked for`)
    const command = [binary, ...args]
    try {
      checkFirstProgram(folder, command)
      for (const program of ['import.mjs', 'require.cjs', 'in-worker.mjs']) checkProgram(folder, program, command)
      for (const program of ['bundled.mjs', 'bundled-require.cjs']) checkProgram(outside, program, command)
    } catch (error) {
      throw Error(`${name}: ${error.message}`)
    }
    facts.push(`${name} (${run(binary, ['--version'], { cwd: folder }).stdout.split(/\s*[(\n]/)[0]})`)
  }
  return facts.join(', ')
}
