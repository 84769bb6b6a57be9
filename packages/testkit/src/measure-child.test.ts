// The measured peak is the child's own, and follows what the child touches.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { measureChild } from './measure-child.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-measure-'))
  writeFileSync(
    join(folder, 'touch.mjs'),
    ['globalThis.kept = Buffer.alloc(Number(process.argv[2]), 1)', "console.log('touched', kept.length)"].join('\n'),
  )
  writeFileSync(join(folder, 'fail.mjs'), "console.error('broken')\nprocess.exit(7)\n")
  writeFileSync(join(folder, 'hang.mjs'), 'setInterval(() => {}, 1000)\n')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('measureChild', () => {
  it('sees memory that the child touches, and only that', async () => {
    const ballast = Buffer.alloc(300e6, 1)
    const small = await measureChild(join(folder, 'touch.mjs'), ['1000'])
    const large = await measureChild(join(folder, 'touch.mjs'), ['200000000'])
    expect(ballast.length).toBe(300e6)
    expect(small.stdout).toBe('touched 1000\n')
    expect(small.peakBytes).toBeLessThan(150e6)
    expect((large.peakBytes ?? 0) - (small.peakBytes ?? 0)).toBeGreaterThan(190e6)
  })

  it('reports failures and kills a child that hangs', async () => {
    const failed = await measureChild(join(folder, 'fail.mjs'))
    expect(failed).toMatchObject({ exitCode: 7, stderr: 'broken\n' })
    expect(failed.peakBytes).toBeGreaterThan(1e6)
    const hung = await measureChild(join(folder, 'hang.mjs'), [], { timeoutMs: 300 })
    expect(hung).toMatchObject({ exitCode: null, signal: 'SIGKILL', peakBytes: undefined })
  })
})
