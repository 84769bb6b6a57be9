// Packs the package, installs the tarball in an empty project outside of the repository and uses it there in every way
// that we promise. Needs a build. `SPILLWAY_RUNTIMES=1` adds Node 22 and 24, Bun and Deno, `SPILLWAY_FRAMEWORKS=1` adds
// Jest, Vite and Next: both load some hundred megabytes.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { checkFrameworks } from './pack/frameworks.mjs'
import * as project from './pack/project.mjs'
import { restore } from './pack/restore.mjs'
import { checkRuntimes } from './pack/runtimes.mjs'

const { root } = project
const SIZE_LIMIT_BYTES = 15e6
const LINE_LENGTH_MAX = 1000
/** What the programs print when all is well: the bytes that apache-arrow writes of the result. */
const DONE = /^bytes (6\d\d)( 6\d\d)?$/

const readme = readFileSync(join(root, 'README.md'), 'utf8')
const [, firstProgram, firstOutput] = /```ts\n(import [\s\S]*?)```\n\n```text\n([\s\S]*?)```/.exec(readme)

function check(condition, text) {
  if (!condition) throw Error(text)
}

/** The tarball holds what it should and nothing else, and says what a registry shows. */
function checkTarball(folder, files) {
  const installed = join(folder, 'node_modules/spillway')
  const text = readFileSync(join(installed, 'package.json'), 'utf8')
  const manifest = JSON.parse(text)
  // By name, so that a new kind of file is looked at.
  const known =
    /^(dist\/(spillway(-worker)?\.c?js(\.map)?|spillway-arrow\.js|spillway\.d\.c?ts|\w+\.wasm)|[A-Z-]+(\.md)?)$/
  const odd = files.filter((file) => file !== 'package.json' && !known.test(file))
  check(odd.length === 0, `the tarball holds ${odd.join(', ')}`)
  const missing = [...manifest.files, 'LICENSE', 'README.md'].filter((file) => !files.includes(file))
  check(missing.length === 0, `the tarball lacks ${missing.join(', ')}`)
  for (const file of files) {
    const text = readFileSync(join(installed, file), 'latin1')
    check(!text.includes(root), `${file} names this machine's folder ${root}`)
    check(!/\.test\.ts"/.test(text), `${file} holds tests`)
    // Node prints the line of an uncaught error.
    const isLong = /\.c?js$/.test(file) && text.split('\n').some((line) => line.length > LINE_LENGTH_MAX)
    check(!isLong, `${file} has lines that are too long to be shown`)
  }
  check(!/workspace:|@spillway|scripts|devDependencies/.test(text), `the manifest names the workspace:\n${text}`)
  for (const field of ['license', 'description', 'repository', 'keywords', 'engines']) {
    check(manifest[field] !== undefined, `the manifest has no ${field}`)
  }
}

/** Size and number of packages are what the README says, and below the limit. */
function checkSize(folder) {
  const packages = project.installedPackages(folder)
  const ofArrow = project.packagesOf(folder, 'apache-arrow')
  const ours = packages.filter((path) => !ofArrow.has(path))
  const bytes = ours.reduce((sum, path) => sum + project.folderBytes(path), 0)
  const megabytes = bytes / 1e6
  check(bytes <= SIZE_LIMIT_BYTES, `${megabytes} MB are installed beside apache-arrow, more than ${SIZE_LIMIT_BYTES}`)
  const row = /^\| spillway \| ([\d.]+) MB \| (\d+) \|/m.exec(readme)
  const facts = `${megabytes.toFixed(1)} MB, ${ours.length} packages`
  check(row !== null, `the README's table has no row for spillway; it is ${facts}`)
  const isTrue = Math.abs(megabytes - Number(row[1])) <= 0.5 && Number(row[2]) === ours.length
  check(isTrue, `the README says ${row[1]} MB, ${row[2]} packages; it is ${facts}. Change the table.`)
  return `${facts}; with apache-arrow ${packages.length} packages`
}

function checkFirstProgram(folder, command = [process.execPath]) {
  writeFileSync(join(folder, 'first.mjs'), firstProgram)
  const { stdout, stderr } = project.run(command[0], [...command.slice(1), 'first.mjs'], { cwd: folder })
  // Bun prints strings in other quotes.
  const printed = stdout.trim().replaceAll('"', "'")
  check(printed === firstOutput.trim(), `the README's first program printed:\n${printed}`)
  check(stderr === '', `the README's first program complains: ${stderr}`)
}

function checkProgram(folder, name, command = [process.execPath]) {
  const { stdout } = project.run(command[0], [...command.slice(1), name], { cwd: folder })
  check(DONE.test(stdout.trim()), `${name} printed:\n${stdout}`)
}

function checkSourceMaps(folder) {
  const { stdout } = project.run(process.execPath, ['--enable-source-maps', 'stack.mjs'], { cwd: folder })
  check(stdout.trim() === 'mapped', `a stack does not lead to the sources:\n${stdout}`)
}

function checkWithoutArrow(folder, outside) {
  const place = join(outside, 'alone')
  cpSync(join(folder, 'node_modules/spillway'), join(place, 'node_modules/spillway'), { recursive: true })
  cpSync(join(folder, 'alone.mjs'), join(place, 'alone.mjs'))
  const { stdout } = project.run(process.execPath, ['alone.mjs'], { cwd: place })
  check(stdout.trim() === 'told', `without apache-arrow:\n${stdout}`)
}

/** The types say the same to ES modules and CommonJS in each way of resolving; all declarations are checked once. */
function checkTypes(folder) {
  const settings = [
    ['node16', 'node16', 'true'],
    ['nodenext', 'nodenext', 'false'],
    ['preserve', 'bundler', 'true'],
  ]
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const common = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--types', 'node']
  for (const [module, resolution, skips] of settings) {
    const args = [tsc, ...common, '--module', module, '--moduleResolution', resolution, '--skipLibCheck', skips]
    project.run(process.execPath, [...args, 'types.mts', 'types.cts'], { cwd: folder })
  }
}

/** Bundles run where nothing is installed: the worker's code, the kernels and apache-arrow are inside. */
function checkBundles(folder, outside) {
  const common = { bundle: true, platform: 'node', logLevel: 'silent', absWorkingDir: folder }
  const bundles = [
    ['import.mjs', 'esm', 'bundled.mjs', false],
    ['import.mjs', 'cjs', 'bundled-import.cjs', true],
    ['require.cjs', 'cjs', 'bundled-require.cjs', true],
  ]
  for (const [entry, format, file, minify] of bundles) {
    const { warnings } = buildSync({ ...common, entryPoints: [entry], format, minify, outfile: join(outside, file) })
    check(warnings.length === 0, `esbuild warns of the bundle ${file}: ${warnings.map(({ text }) => text).join('; ')}`)
    checkProgram(outside, file)
  }
}

const folder = project.makeFolder()
const outside = project.makeFolder()
const own = { folder, outside, tarball: '', checkFirstProgram, checkProgram }
const steps = [
  [
    'packed and installed',
    () => {
      const { tarball, files } = project.pack(outside)
      own.tarball = tarball
      writeFileSync(join(folder, 'package.json'), '{"private":true}')
      project.install(folder, [tarball])
      project.writePrograms(folder)
      checkTarball(folder, files)
      return `${files.length} files`
    },
  ],
  ['size', () => checkSize(folder)],
  ["the README's first program", () => checkFirstProgram(folder)],
  ['ES module', () => checkProgram(folder, 'import.mjs')],
  ['CommonJS', () => checkProgram(folder, 'require.cjs')],
  ['in a worker thread', () => checkProgram(folder, 'in-worker.mjs')],
  ['three copies in one process', () => checkProgram(folder, 'two-copies.mjs')],
  ['without apache-arrow', () => checkWithoutArrow(folder, outside)],
  ['source maps', () => checkSourceMaps(folder)],
  ['types: node16, nodenext, bundler', () => checkTypes(folder)],
  ['bundled by esbuild', () => checkBundles(folder, outside)],
]
if (process.env.SPILLWAY_RUNTIMES === '1') steps.push(['other runtimes', () => checkRuntimes(own)])
if (process.env.SPILLWAY_FRAMEWORKS === '1') steps.push(['frameworks', () => checkFrameworks(own)])

let failed = 0
try {
  for (const [name, step] of steps) {
    const start = performance.now()
    try {
      const facts = await step()
      const seconds = ((performance.now() - start) / 1000).toFixed(1)
      console.log(`pack: ${name} ok${facts === undefined ? '' : `: ${facts}`} (${seconds} s)`)
    } catch (error) {
      failed++
      console.error(`pack: ${name} FAILED: ${error.message}`)
      if (name === steps[0][0]) break
    }
  }
} finally {
  // npm does it itself, unless it failed.
  restore()
  for (const each of [folder, outside]) project.removeFolder(each)
}
process.exit(failed === 0 ? 0 : 1)
