// Runs every program of the README, in order and in one directory, and compares what it prints with the block behind
// it. Checks the links of all pages.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listFiles } from './source-files.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const text = readFileSync(join(root, 'README.md'), 'utf8')
const programs = [...text.matchAll(/```ts\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/g)].map(([, code, output]) => ({
  code,
  output,
}))

let folder
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'spillway-readme-')))
  // Found by name, as in a project that has the package installed.
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What differs from machine to machine, taken out. */
const stable = (printed) =>
  printed
    .replaceAll(`${folder}/`, '')
    .replace(/arena [\d.]+ MB, floor [\d.]+ MB/, 'arena A MB, floor F MB')
    .trim()

describe('README', () => {
  it('shows what each program prints', () => {
    expect(programs.length).toBe([...text.matchAll(/```ts\n/g)].length)
    expect(programs.length).toBeGreaterThan(4)
  })
  for (const [index, { code, output }] of programs.entries()) {
    it(`program ${index + 1} prints what it says`, () => {
      writeFileSync(join(folder, 'program.mjs'), code)
      const env = { ...process.env, SPILLWAY_TEMP_DIR: '', SPILLWAY_MEMORY_LIMIT: '', SPILLWAY_VERBOSE: '' }
      const run = spawnSync(process.execPath, ['program.mjs'], { cwd: folder, env, encoding: 'utf8', timeout: 50_000 })
      expect(run.stderr).toBe('')
      expect(run.status).toBe(0)
      expect(stable(run.stdout)).toBe(stable(output))
    })
  }
  it('and the other pages link only to files that exist', () => {
    const pages = listFiles(root).filter((path) => path.endsWith('.md'))
    expect(pages).toContain('docs/ARCHITECTURE.md')
    const broken = pages.flatMap((page) => {
      const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
      const targets = links.map(([, target]) => target).filter((target) => !/^https?:/.test(target))
      return targets
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`)
    })
    expect(broken).toEqual([])
  })
  it('lists the options that the engine knows', () => {
    const source = readFileSync(join(root, 'packages/spillway/src/engine/engine-options.ts'), 'utf8')
    const names = [...source.matchAll(/^ {2}(\w+): z?\b|^ {2}(\w+): byteSize/gm)].map(([, a, b]) => a ?? b)
    const inner = new Set(['testing', ...testingNames(source)])
    const known = names.filter((name) => name !== undefined && !inner.has(name))
    expect(known).toContain('memoryLimit')
    expect(known.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })
})

function testingNames(source) {
  const block = /const testingShape = \(\) => \(\{([\s\S]*?)\n\}/.exec(source)?.[1] ?? ''
  return [...block.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name)
}
