// The package under tools that run or bundle programs in their own way: Jest in both of its modes, Vite's build for
// servers and Next's, which put the package into their output although they would leave it outside by themselves.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { install, run, writePrograms } from './project.mjs'

const PATIENCE_MS = 30_000

const jestTest = (kind) => `
${kind === 'mjs' ? "import * as spillway from 'spillway'" : "const spillway = require('spillway')"}
${kind === 'mjs' ? "import { tableToIPC } from 'apache-arrow'" : "const { tableToIPC } = require('apache-arrow')"}
${kind === 'mjs' ? "import exercise from './exercise.mjs'" : "const { default: exercise } = require('./exercise.cjs')"}
test('works', async () => {
  const table = await exercise(spillway, 'jest-${kind}.parquet')
  expect(tableToIPC(table).length).toBeGreaterThan(600)
  const query = spillway.LazyFrame({ a: spillway.intRange(0, 10) }).sort('a')
  await expect(query.collect({ memoryLimit: '20MB' })).rejects.toBeInstanceOf(spillway.MemoryLimitError)
})
afterAll(() => spillway.closeDefaultEngine())
`

const jestConfig = `export default {
  testEnvironment: 'node', transform: {}, testTimeout: 60_000,
  testMatch: ['**/*.test.*'], moduleFileExtensions: ['mjs', 'cjs', 'js', 'json'],
}`

function checkJest(folder) {
  install(folder, ['jest@30'])
  writeFileSync(join(folder, 'jest.config.mjs'), jestConfig)
  for (const kind of ['cjs', 'mjs']) {
    writeFileSync(join(folder, `spillway.test.${kind}`), jestTest(kind))
    const flags = kind === 'mjs' ? ['--experimental-vm-modules'] : []
    run(process.execPath, [...flags, 'node_modules/jest/bin/jest.js', `spillway.test.${kind}`], { cwd: folder })
  }
}

function checkVite({ folder, outside, checkProgram }) {
  install(folder, ['vite@8'])
  const settings = { ssr: 'import.mjs', outDir: join(outside, 'vite'), emptyOutDir: true }
  const config = `export default { logLevel: 'error', build: ${JSON.stringify(settings)}, ssr: { noExternal: true } }`
  writeFileSync(join(folder, 'vite.config.mjs'), config)
  run(process.execPath, ['node_modules/vite/bin/vite.js', 'build'], { cwd: folder })
  checkProgram(join(outside, 'vite'), 'import.mjs')
}

const route = `
import { tableToIPC } from 'apache-arrow'
import * as spillway from 'spillway'
import exercise from '../exercise.mjs'
export const dynamic = 'force-dynamic'
export async function GET() {
  const table = await exercise(spillway, 'next.parquet')
  return new Response('bytes ' + tableToIPC(table).length)
}
`

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** What the built server answers. */
async function askServer(cwd, next) {
  const port = await freePort()
  const args = [next, 'start', '--hostname', '127.0.0.1', '--port', String(port)]
  const server = spawn(process.execPath, args, { cwd, stdio: 'ignore' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  try {
    for (const end = Date.now() + PATIENCE_MS; ; await wait(200)) {
      const answer = await fetch(`http://127.0.0.1:${port}/query`).catch(() => undefined)
      if (answer !== undefined) return await answer.text()
      if (Date.now() > end) throw Error("Next's server does not answer")
    }
  } finally {
    server.kill()
    await ended
  }
}

async function checkNext(folder, tarball) {
  const cwd = join(folder, 'next')
  mkdirSync(join(cwd, 'app/query'), { recursive: true })
  writeFileSync(join(cwd, 'package.json'), '{"private":true,"type":"module"}')
  install(cwd, ['next@16', 'react@19', 'react-dom@19', tarball])
  writePrograms(join(cwd, 'app'))
  writeFileSync(join(cwd, 'app/query/route.js'), route)
  const layout = 'export default ({ children }) => <html><body>{children}</body></html>\n'
  writeFileSync(join(cwd, 'app/layout.js'), layout)
  const next = 'node_modules/next/dist/bin/next'
  for (const bundler of ['--turbopack', '--webpack']) {
    run(process.execPath, [next, 'build', bundler], { cwd, env: { NEXT_TELEMETRY_DISABLED: '1' } })
    const answer = await askServer(cwd, next)
    if (!/^bytes 6\d\d$/.test(answer)) throw Error(`Next, built with ${bundler}, answers: ${answer}`)
  }
}

/** @returns which of them were tried */
export async function checkFrameworks({ folder, outside, tarball, checkProgram }) {
  checkJest(folder)
  checkVite({ folder, outside, checkProgram })
  await checkNext(folder, tarball)
  return 'Jest in both modes, Vite, Next with Turbopack and webpack'
}
