/** Temp directories that cannot be used, and disks that are really full. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SpillwayError } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FaultStage, distinctQuery, recursiveQuery, runKnown } from './fault-stage.ts'

const TMPFS_MAGIC = 0x01021994
const isTmpfs = (path: string): boolean => existsSync(path) && statfsSync(path).type >>> 0 === TMPFS_MAGIC

describe('temp directory and disk', () => {
  let stage: FaultStage
  beforeAll(() => {
    stage = new FaultStage()
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  const errorOf = async (options: Parameters<typeof runKnown>[2], rows = 2000): Promise<SpillwayError> => {
    const outcome = await runKnown(stage.engine, recursiveQuery(stage.engine, rows), options)
    if (!(outcome instanceof SpillwayError)) throw new Error(`an error was expected, not ${outcome}`)
    expect(await stage.findDamage()).toBeUndefined()
    return outcome
  }

  it('names maxSpillBytes when the quota is used up', async () => {
    const error = await errorOf({ maxSpillBytes: 400_000 })
    expect([error.name, error.code]).toEqual(['SpillDiskFullError', 'SPILL_DISK_FULL'])
    expect(error.message).toContain('maxSpillBytes')
    expect(error.details).toMatchObject({ maxSpillBytes: 400_000 })
  })

  it('refuses a temp directory that cannot be made or written', async () => {
    const file = join(stage.folder, 'a-file')
    writeFileSync(file, '')
    const error = await errorOf({ tempDir: join(file, 'below') })
    expect(error.code).toBe('TEMP_DIR_UNUSABLE')
    expect(error.message).toContain(join(file, 'below'))
    expect(error.message).toContain('Set tempDir')
  })

  it.skipIf(!isTmpfs('/dev/shm'))('refuses a temp directory in memory unless it is allowed', async () => {
    const folder = mkdtempSync('/dev/shm/spillway-test-')
    try {
      const error = await errorOf({ tempDir: folder, allowTmpfs: false })
      expect(error.code).toBe('TEMP_DIR_TMPFS')
      expect(error.message).toContain(folder)
      const query = distinctQuery(stage.engine, 200)
      expect(await runKnown(stage.engine, query, { tempDir: folder, allowTmpfs: true })).toBe('right')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('fails and recovers when the temp directory is removed under it', async () => {
    const own = new FaultStage()
    try {
      expect(await runKnown(own.engine, own.probe, {})).toBe('right')
      rmSync(own.tempDir, { recursive: true })
      const outcome = await runKnown(own.engine, own.probe, {})
      expect(outcome === 'right' || (outcome as SpillwayError).code === 'SPILL_IO').toBe(true)
      mkdirSync(own.tempDir, { recursive: true })
      expect(await runKnown(own.engine, own.probe, {}), 'the query after').toBe('right')
    } finally {
      await own.engine.close()
      expect(readdirSync(own.tempDir)).toEqual([])
      rmSync(own.folder, { recursive: true })
    }
  })

  it('ends with SpillDiskFullError on a disk that is really full', async (context) => {
    const disk = mkdtempSync(join(tmpdir(), 'spillway-small-disk-'))
    // Mounting takes rights that a test run need not have.
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).status === 0
    try {
      if (!mounted) return context.skip('a small disk cannot be mounted here')
      const error = await errorOf({ tempDir: disk, allowTmpfs: true, maxSpillBytes: '1GB' })
      expect([error.name, error.code]).toEqual(['SpillDiskFullError', 'SPILL_DISK_FULL'])
      expect(error.message).toContain('ENOSPC')
      const small = distinctQuery(stage.engine, 100)
      expect(await runKnown(stage.engine, small, { tempDir: disk, allowTmpfs: true })).toBe('right')
    } finally {
      if (mounted) spawnSync('umount', ['-l', disk])
      rmSync(disk, { recursive: true, force: true })
    }
  })
})
