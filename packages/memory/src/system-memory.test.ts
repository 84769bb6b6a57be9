/** The smallest memory limit around the process wins, in both versions of control groups. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { totalmem, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findMappingResidentBytes, readPeakResidentBytes, readResidentBytes } from './resident-memory.ts'
import { systemMemoryBytes } from './system-memory.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'system-memory-test-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function limitWith(membership: string, files: Readonly<Record<string, string>>): number {
  writeFileSync(join(root, 'membership'), membership)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return systemMemoryBytes({ membershipFile: join(root, 'membership'), cgroupRoot: root, totalBytes: 16_000 })
}

describe('systemMemoryBytes', () => {
  it('walks version 2 groups up to the root', () => {
    const files = { 'a/memory.max': '9000\n', 'a/b/memory.max': 'max\n', 'a/b/c/memory.max': '12000\n' }
    expect(limitWith('0::/a/b/c\n', files)).toBe(9000)
  })

  it('finds the limit of a container whose path is the root of its namespace', () => {
    expect(limitWith('0::/\n', { 'memory.max': '5000\n' })).toBe(5000)
  })

  it('finds ancestors when the path of the group is not visible', () => {
    expect(limitWith('0::/host/path/of/container\n', { 'memory.max': '5000\n' })).toBe(5000)
  })

  it('reads version 1, whose "no limit" is a huge number', () => {
    const membership = '8:cpu,cpuacct:/x\n7:memory:/x/y\n'
    const huge = '9223372036854771712\n'
    expect(limitWith(membership, { 'memory/x/y/memory.limit_in_bytes': huge })).toBe(16_000)
    expect(limitWith(membership, { 'memory/x/memory.limit_in_bytes': '7000\n' })).toBe(7000)
  })

  it('falls back to the total when nothing is limited or known', () => {
    expect(limitWith('0::/a\n', { 'a/memory.max': 'max\n' })).toBe(16_000)
    expect(systemMemoryBytes({ membershipFile: '/nowhere', cgroupRoot: '/nowhere', totalBytes: 5 })).toBe(5)
    expect(systemMemoryBytes()).toBeGreaterThan(0)
    expect(systemMemoryBytes()).toBeLessThanOrEqual(totalmem())
  })
})

describe('resident memory', () => {
  it('grows with touched memory, and the peak stays when it is freed', () => {
    const before = readResidentBytes()
    const block = Buffer.alloc(64 << 20, 1)
    expect(readResidentBytes()).toBeGreaterThan(before + (48 << 20))
    expect(readPeakResidentBytes()).toBeGreaterThan(before + (48 << 20))
    expect(block.byteLength).toBe(64 << 20)
    expect(readPeakResidentBytes()).toBeGreaterThanOrEqual(readResidentBytes() - (16 << 20))
  })
})

describe('findMappingResidentBytes', () => {
  it.skipIf(process.platform !== 'linux')('tells how much of a shared memory was touched', async () => {
    const pages = 1237
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    const bytes = new Uint8Array(memory.buffer)
    expect(await findMappingResidentBytes(bytes.length)).toBeLessThan(1e6)
    bytes.fill(1, 0, 300 * 65_536)
    const resident = await findMappingResidentBytes(bytes.length)
    expect(resident).toBeGreaterThanOrEqual(300 * 65_536)
    expect(resident).toBeLessThan(300 * 65_536 + 4e6)
    expect(bytes[5]).toBe(1)
  })

  it('knows nothing of a mapping that is not there', async () => {
    expect(await findMappingResidentBytes(1e15)).toBeUndefined()
  })
})
