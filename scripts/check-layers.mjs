// Checks that packages respect their layers: lower layers never import higher ones, imports inside one layer are
// acyclic, every import of a source is declared under `dependencies` of package.json and every one declared there is
// imported by a source. What only tests import is declared under `devDependencies`.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isSource, listFiles } from './source-files.mjs'

/** The layer of each package; `testkit` is outside of the layers: it may import all, and only tests may import it. */
export const layers = {
  '@spillway/stdx': 0,
  '@spillway/columnar': 1,
  '@spillway/kernels': 1,
  '@spillway/memory': 2,
  '@spillway/plan': 2,
  '@spillway/formats': 2,
  '@spillway/optimizer': 3,
  '@spillway/codegen': 3,
  '@spillway/scheduler': 3,
  '@spillway/engine': 4,
  spillway: 5,
}
const TESTKIT = '@spillway/testkit'

/** Packages that any test may import although its package does not declare them: they live in the root package. */
const TEST_PACKAGES = new Set(['vitest', 'fast-check', 'apache-arrow', '@duckdb/node-api', TESTKIT])

/**
 * The package names that a source imports, statically or dynamically; relative paths and Node's builtins are left out.
 * Block comments and line comments are removed first, so that examples in comments do not count.
 */
export function importedPackages(source) {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const pattern = /(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s+|\bimport\.meta\.resolve\(\s*)(['"])([^'"\n]+)\1/gm
  const names = new Set()
  for (const match of code.matchAll(pattern)) {
    const specifier = match[2]
    // What does not look like a package name is a relative path, or SQL text with a FROM in it.
    if (!/^@?[a-z0-9][\w./-]*$/i.test(specifier) || isBuiltin(specifier)) continue
    const parts = specifier.split('/')
    names.add(specifier.startsWith('@') ? `${parts[0]}/${parts[1]}` : parts[0])
  }
  return names
}

/** True for files that run in tests only. */
function isTestFile(path) {
  return /\.(test|test-d|bench)\.ts$/.test(path) || /(^|\/)testing(\.ts$|\/)/.test(path)
}

/** A cycle in `graph` (name -> names) as a list of names, or undefined. */
export function findCycle(graph) {
  const state = new Map()
  const visit = (name, path) => {
    if (state.get(name) === 'done') return undefined
    if (state.get(name) === 'open') return [...path.slice(path.indexOf(name)), name]
    state.set(name, 'open')
    for (const next of graph.get(name) ?? []) {
      const cycle = visit(next, [...path, name])
      if (cycle !== undefined) return cycle
    }
    state.set(name, 'done')
    return undefined
  }
  for (const name of graph.keys()) {
    const cycle = visit(name, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

/** What is declared and not imported where it has to be: by a source, or for tests alone by a test. */
function unusedProblems(pack, usedInSources, usedInTests) {
  const unused = pack.dependencies.filter((name) => !usedInSources.has(name))
  const unusedByTests = pack.devDependencies.filter((name) => !usedInTests.has(name) && !name.startsWith('@types/'))
  return [
    ...unused.map((name) => {
      const advice = usedInTests.has(name) ? 'tests do, so declare it under devDependencies' : 'remove it'
      return `${pack.name}/package.json: declares ${name}, which no source imports; ${advice}`
    }),
    ...unusedByTests.map((name) => `${pack.name}/package.json: declares ${name}, which no test imports; remove it`),
  ]
}

/**
 * Problems of one package.
 * @param pack { name, dependencies: string[], devDependencies: string[], files: { path, text }[] }
 */
function packageProblems(pack, layerOf, usedInSources) {
  const problems = []
  const isWorkspace = (name) => name in layerOf || name === TESTKIT
  const declared = new Set(pack.dependencies)
  const declaredForTests = new Set([...pack.dependencies, ...pack.devDependencies])
  const usedInTests = new Set()
  if (pack.name !== TESTKIT && !(pack.name in layerOf))
    return [`${pack.name}: not in the layer table of check-layers.mjs`]
  const refuse = (name, where) => {
    if (pack.name === TESTKIT || !isWorkspace(name)) return
    if (name === TESTKIT) problems.push(`${where}: imports ${TESTKIT}, which only tests may do`)
    else if (layerOf[name] > layerOf[pack.name]) {
      problems.push(`${where}: layer ${layerOf[pack.name]} imports ${name} of layer ${layerOf[name]}`)
    }
  }
  for (const name of declared) refuse(name, `${pack.name}/package.json`)
  for (const { path, text } of pack.files) {
    const test = isTestFile(path)
    for (const name of importedPackages(text)) {
      if (name === pack.name && test) continue
      if (test) usedInTests.add(name)
      else {
        refuse(name, `${pack.name}/${path}`)
        usedInSources.add(name)
      }
      const isFree = test && (TEST_PACKAGES.has(name) || isWorkspace(name))
      if (!isFree && !(test ? declaredForTests : declared).has(name)) {
        const place = !test && declaredForTests.has(name) ? 'declares under devDependencies only' : 'does not declare'
        problems.push(`${pack.name}/${path}: imports ${name}, which its package.json ${place}`)
      }
    }
    if (/from\s+['"](\.\.\/)+packages\/|from\s+['"](\.\.\/){2,}[\w-]+\/src\//.test(text)) {
      problems.push(`${pack.name}/${path}: reaches into another package by path; import it by name`)
    }
  }
  return [...problems, ...unusedProblems(pack, usedInSources, usedInTests)]
}

/** All problems of a set of packages, as sentences; empty when the layers hold. */
export function layerProblems(packages, layerOf = layers) {
  const problems = []
  const graph = new Map()
  for (const pack of packages) {
    const used = new Set()
    problems.push(...packageProblems(pack, layerOf, used))
    const workspace = [...new Set([...used, ...pack.dependencies])].filter((name) => name in layerOf)
    graph.set(pack.name, workspace)
  }
  const cycle = findCycle(graph)
  if (cycle !== undefined) problems.push(`packages form a cycle: ${cycle.join(' -> ')}`)
  return problems
}

/** Reads all packages below `root`/packages into the form that `layerProblems` takes. */
export function readPackages(root) {
  const packages = []
  for (const folder of readdirSync(join(root, 'packages')).sort()) {
    const base = join(root, 'packages', folder)
    const manifest = join(base, 'package.json')
    if (!existsSync(manifest)) continue
    const { name, dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8'))
    const files = existsSync(join(base, 'src'))
      ? listFiles(base, 'src')
          .filter(isSource)
          .map((path) => ({ path, text: readFileSync(join(base, path), 'utf8') }))
      : []
    packages.push({
      name,
      dependencies: Object.keys(dependencies),
      devDependencies: Object.keys(devDependencies),
      files,
    })
  }
  return packages
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  const problems = layerProblems(readPackages(root))
  for (const problem of problems) console.error(`layers: ${problem}`)
  console.log(`layers: ${problems.length} problems`)
  process.exit(problems.length === 0 ? 0 : 1)
}
