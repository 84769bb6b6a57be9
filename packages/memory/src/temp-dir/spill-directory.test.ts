/** Spill directories: private, removed by their owner, reclaimed only after a death that is certain. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import fsExtra from 'fs-extra'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Owner, ownerStatus, parseOwner, readOwnIdentity } from './owner.ts'
import { createSpillDirectory, reclaimDeadDirectories, removeSpillDirectorySync } from './spill-directory.ts'

let root: string
const children: ChildProcess[] = []
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'spill-directory-test-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
})

/** A process that makes a directory under `root`, writes a spill file there and then sits still. */
async function spawnHolder(): Promise<{ child: ChildProcess; path: string }> {
  const module = new URL('../../dist/temp-dir/index.js', import.meta.url).href
  const script = `
    import { createSpillDirectory } from ${JSON.stringify(module)}
    import { writeFileSync } from 'node:fs'
    const { path } = createSpillDirectory(${JSON.stringify(root)})
    writeFileSync(path + '/p0.arrow', 'spilled')
    process.stdout.write(path)
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const [path] = (await once(child.stdout!, 'data')) as [Buffer]
  return { child, path: path.toString() }
}

/** A directory as another process would have left it. */
function plantDirectory(owner: Partial<Owner> | undefined, silentMinutes: number): string {
  const path = join(root, `spillway-${owner?.pid ?? 1}-${randomUUID()}`)
  fsExtra.ensureDirSync(path, { mode: 0o700 })
  if (owner !== undefined) fsExtra.outputJsonSync(join(path, 'owner.json'), { ...readOwnIdentity(), ...owner })
  writeFileSync(join(path, 'heartbeat'), '.')
  const then = Date.now() / 1000 - silentMinutes * 60
  for (const name of readdirSync(path)) utimesSync(join(path, name), then, then)
  utimesSync(path, then, then)
  return path
}

describe('createSpillDirectory', () => {
  it('makes a private directory that names its owner, and removes it with its files', () => {
    const directory = createSpillDirectory(root)
    expect(statSync(directory.path).mode & 0o777).toBe(0o700)
    expect(basename(directory.path)).toMatch(new RegExp(`^spillway-${process.pid}-`))
    expect(parseOwner(readFileSync(join(directory.path, 'owner.json'), 'utf8'))).toEqual(readOwnIdentity())
    expect(readdirSync(directory.path).sort()).toEqual(['heartbeat', 'owner.json'])
    writeFileSync(join(directory.path, 'p0.arrow'), 'x')
    directory.remove()
    directory.remove()
    expect(readdirSync(root)).toEqual([])
  })

  it('fails with a typed error under a root that is gone', () => {
    expect(() => createSpillDirectory(join(root, 'gone'))).toThrow(/Cannot create a spill directory/)
  })

  it('removes nothing but spill directories', () => {
    expect(() => removeSpillDirectorySync(root)).toThrow(/only a spill directory/)
    expect(existsSync(root)).toBe(true)
  })
})

describe('reclaimDeadDirectories', () => {
  it('removes the directory of a killed process and keeps those of live ones', async () => {
    const own = createSpillDirectory(root)
    const [victim, survivor] = await Promise.all([spawnHolder(), spawnHolder()])
    expect(reclaimDeadDirectories(root)).toMatchObject({ removed: [] })
    const exited = once(victim.child, 'exit')
    victim.child.kill('SIGKILL')
    await exited
    const { removed, kept } = reclaimDeadDirectories(root)
    expect(removed).toEqual([victim.path])
    expect([...kept].sort()).toEqual([own.path, survivor.path].sort())
    expect(existsSync(victim.path)).toBe(false)
    expect(readFileSync(join(survivor.path, 'p0.arrow'), 'utf8')).toBe('spilled')
    expect(readdirSync(root).length).toBe(2)
    own.remove()
  })

  it('keeps a live owner however silent, and removes one whose pid was reused', () => {
    const live = plantDirectory({}, 600)
    const reused = plantDirectory({ processStartTime: '1' }, 0)
    const { removed, kept } = reclaimDeadDirectories(root)
    expect(kept).toContain(live)
    // Without /proc a reused pid cannot be told apart and is taken for alive.
    expect(removed).toEqual(readOwnIdentity().processStartTime === undefined ? [] : [reused])
  })

  it.each([
    ['another host', { hostname: 'elsewhere', pid: 2 ** 22 + 1 }],
    ['another boot', { bootId: 'other', pid: 2 ** 22 + 1 }],
    ['another container', { pidNamespace: 'pid:[1]', pid: 2 ** 22 + 1 }],
    ['no readable owner', undefined],
  ])('judges %s by its silence only', (_, owner) => {
    const fresh = plantDirectory(owner, 9)
    const silent = plantDirectory(owner, 11)
    expect(reclaimDeadDirectories(root)).toEqual({ removed: [silent], kept: [fresh] })
  })

  it('takes a spill file that is still written for a sign of life', () => {
    const path = plantDirectory({ hostname: 'elsewhere' }, 60)
    writeFileSync(join(path, 'p1.arrow'), 'x')
    utimesSync(path, 0, 0)
    expect(reclaimDeadDirectories(root)).toEqual({ removed: [], kept: [path] })
  })

  it('leaves other names, files and links alone', () => {
    const target = join(root, 'precious')
    mkdirSync(target)
    symlinkSync(target, join(root, `spillway-1-${randomUUID()}`))
    writeFileSync(join(root, `spillway-2-${randomUUID()}`), '')
    mkdirSync(join(root, 'spillway-3-notes'))
    expect(reclaimDeadDirectories(root)).toEqual({ removed: [], kept: [] })
    expect(readdirSync(root).length).toBe(4)
  })
})

describe('ownerStatus', () => {
  it('tells alive, gone and elsewhere apart', () => {
    const self = readOwnIdentity()
    expect(ownerStatus(self, self)).toBe('alive')
    expect(ownerStatus({ ...self, pid: 2 ** 22 + 1 }, self)).toBe('gone')
    expect(ownerStatus({ ...self, hostname: 'x' }, self)).toBe('elsewhere')
    // A system that tells neither boot nor start time: the pid decides.
    const plain = { ...self, bootId: undefined, pidNamespace: undefined, processStartTime: undefined }
    expect(ownerStatus(plain, plain)).toBe('alive')
  })

  it('does not trust what it cannot parse', () => {
    for (const text of ['', '{', 'null', '{"pid":0,"hostname":"a"}', '{"pid":"1","hostname":"a"}', '{"pid":1}']) {
      expect(parseOwner(text)).toBeUndefined()
    }
  })
})
