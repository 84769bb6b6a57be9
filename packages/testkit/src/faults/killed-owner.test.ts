/**
 * kill -9 in the middle of a spill: the next engine to spill in the same place removes the directory of the dead
 * process and leaves that of a live one alone.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createEngine } from 'spillway'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { distinctQuery, runKnown } from './fault-stage.ts'

/** Built JavaScript: Node runs no TypeScript. */
const script = fileURLToPath(new URL('../../dist/faults/spill-until-killed.js', import.meta.url))

describe('kill -9 while spilling', () => {
  let tempDir: string
  const children: ChildProcess[] = []
  beforeEach(() => {
    tempDir = mkdtempSync(join(tmpdir(), 'spillway-killed-'))
  })
  afterEach(async () => {
    for (const child of children.splice(0)) await kill(child)
    rmSync(tempDir, { recursive: true, force: true })
  })

  const kill = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Starts a child and waits until it has spill files. Returns the name of its directory. */
  const startSpilling = async (): Promise<{ child: ChildProcess; directory: string }> => {
    const child = spawn(process.execPath, [script, tempDir], { stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(child)
    let complaint = ''
    child.stderr?.on('data', (text) => {
      complaint += String(text)
    })
    const own = () => readdirSync(tempDir).find((name) => name.startsWith(`spillway-${child.pid}-`))
    for (let tries = 0; tries < 3000; tries++) {
      const directory = own()
      if (directory !== undefined && readdirSync(join(tempDir, directory)).some((name) => name.endsWith('.arrow'))) {
        return { child, directory }
      }
      if (child.exitCode !== null) break
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error(`the child never spilled: ${complaint}`)
  }

  it('is cleaned up by the next start, which spares a live process', async () => {
    const [dead, alive] = await Promise.all([startSpilling(), startSpilling()])
    await kill(dead.child)
    expect(readdirSync(join(tempDir, dead.directory)).length).toBeGreaterThan(2)
    const engine = createEngine({ tempDir, allowTmpfs: true, threads: 1, memoryLimit: '1GB' })
    try {
      expect(await runKnown(engine, distinctQuery(engine, 200), {})).toBe('right')
      expect(existsSync(join(tempDir, dead.directory)), 'the directory of the dead process').toBe(false)
      expect(existsSync(join(tempDir, alive.directory)), 'the directory of the live process').toBe(true)
      expect(alive.child.exitCode, 'the live process goes on').toBe(null)
    } finally {
      await engine.close()
    }
    await kill(alive.child)
    const last = createEngine({ tempDir, allowTmpfs: true, threads: 1, memoryLimit: '1GB' })
    expect(await runKnown(last, distinctQuery(last, 200), {})).toBe('right')
    await last.close()
    expect(readdirSync(tempDir)).toEqual([])
  })
})
