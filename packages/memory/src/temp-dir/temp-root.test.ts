/** Choosing where to spill: what is named is used or refused, what is default must be a roomy disk. */
import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultMaxSpillBytes, defaultTempRoots, type DirectoryFacts, resolveTempRoot } from './temp-root.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'temp-root-test-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const nothing = { tempDir: undefined, allowTmpfs: false, env: {} }
const roomy = 10 * 2 ** 30

function inspector(facts: Readonly<Record<string, DirectoryFacts>>): (path: string) => DirectoryFacts {
  return (path) => {
    const found = facts[path]
    if (found === undefined) throw Object.assign(new Error('denied'), { code: 'EACCES' })
    return found
  }
}

const codeOf = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return undefined
}

describe('a named directory', () => {
  it('is created when missing; the option wins over the environment', () => {
    const path = join(directory, 'new', 'deep')
    const env = { SPILLWAY_TEMP_DIR: join(directory, 'from-env') }
    const root = resolveTempRoot({ tempDir: path, allowTmpfs: true, env })
    expect(root.path).toBe(path)
    expect(existsSync(path)).toBe(true)
    expect(root.freeBytes).toBeGreaterThan(0)
    expect(defaultMaxSpillBytes(root)).toBe(Math.floor(root.freeBytes * 0.9))
    expect(resolveTempRoot({ tempDir: undefined, allowTmpfs: true, env }).path).toBe(env.SPILLWAY_TEMP_DIR)
    expect(
      resolveTempRoot({ ...nothing, env: { SPILLWAY_TEMP_DIR: '' } }, () => ({ freeBytes: roomy, inMemory: false }), [
        '/d',
      ]).path,
    ).toBe('/d')
  })

  it('is refused in memory, unless allowed', () => {
    const inspect = inspector({ '/ram': { freeBytes: roomy, inMemory: true } })
    const named = { ...nothing, tempDir: '/ram' }
    expect(codeOf(() => resolveTempRoot(named, inspect))).toBe('TEMP_DIR_TMPFS')
    expect(codeOf(() => resolveTempRoot({ ...nothing, env: { SPILLWAY_TEMP_DIR: '/ram' } }, inspect))).toBe(
      'TEMP_DIR_TMPFS',
    )
    expect(resolveTempRoot({ ...named, allowTmpfs: true }, inspect)).toEqual({
      path: '/ram',
      freeBytes: roomy,
      inMemory: true,
    })
  })

  it('is refused when it is a file or cannot be written, with the reason', () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    expect(() => resolveTempRoot({ ...nothing, tempDir: file })).toThrow(/EEXIST|ENOTDIR/)
    expect(codeOf(() => resolveTempRoot({ ...nothing, tempDir: file }))).toBe('TEMP_DIR_UNUSABLE')
  })

  it.runIf(process.getuid?.() !== 0)('is refused when its mode forbids writing', () => {
    const path = mkdtempSync(join(directory, 'read-only-'))
    chmodSync(path, 0o500)
    expect(codeOf(() => resolveTempRoot({ ...nothing, tempDir: path }))).toBe('TEMP_DIR_UNUSABLE')
  })

  it.runIf(process.platform === 'linux' && existsSync('/dev/shm') && statfsSync('/dev/shm').type === 0x01021994)(
    'recognises a real tmpfs',
    () => {
      expect(codeOf(() => resolveTempRoot({ ...nothing, tempDir: '/dev/shm' }))).toBe('TEMP_DIR_TMPFS')
    },
  )
})

describe('the default', () => {
  it('skips memory, the unwritable and the nearly full', () => {
    const inspect = inspector({
      '/ram': { freeBytes: roomy, inMemory: true },
      '/full': { freeBytes: 1000, inMemory: false },
      '/disk': { freeBytes: roomy, inMemory: false },
    })
    const places = ['/denied', '/ram', '/full', '/disk']
    expect(resolveTempRoot(nothing, inspect, places).path).toBe('/disk')
    expect(resolveTempRoot({ ...nothing, allowTmpfs: true }, inspect, places).path).toBe('/ram')
    expect(resolveTempRoot(nothing, inspect, ['/ram', '/full']).path).toBe('/full')
    expect(codeOf(() => resolveTempRoot(nothing, inspect, ['/denied', '/ram']))).toBe('TEMP_DIR_TMPFS')
    expect(codeOf(() => resolveTempRoot(nothing, inspect, ['/denied']))).toBe('TEMP_DIR_UNUSABLE')
    expect(() => resolveTempRoot(nothing, inspect, ['/denied', '/ram'])).toThrow('"/denied": EACCES; "/ram" is a tmpfs')
  })

  it.runIf(process.platform === 'linux')('looks in the temp directories, then in the cache directory', () => {
    expect(defaultTempRoots({ XDG_CACHE_HOME: '/cache' })).toEqual([tmpdir(), '/var/tmp', '/cache/spillway'])
  })
})
