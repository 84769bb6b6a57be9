/** What an output may replace: regular files, through links; never a device, a pipe, a socket or a directory. */
import { spawnSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openInput } from '../parquet/file-access.ts'
import { resolveOutputTarget, takeOver } from './output-target.ts'

let folder: string
const at = (name: string): string => join(folder, name)
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-target-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

it.skipIf(process.platform === 'win32')('refuses what is not a regular file, by name and through a link', async () => {
  mkdirSync(at('directory'))
  expect(spawnSync('mkfifo', [at('pipe')]).status).toBe(0)
  const server = createServer().listen(at('socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  const kinds: Record<string, string> = { directory: 'directory', pipe: 'named pipe', socket: 'socket' }
  for (const [name, kind] of [...Object.entries(kinds), ['/dev/null', 'device'] as const]) {
    const path = name.startsWith('/') ? name : at(name)
    symlinkSync(path, at('link'))
    const refusal = new RegExp(`Output path is a ${kind}, not a regular file: .*Give the path of a file`)
    expect(() => resolveOutputTarget(path)).toThrow(refusal)
    expect(() => resolveOutputTarget(at('link'))).toThrow(refusal)
    rmSync(at('link'))
  }
  await new Promise((resolve) => server.close(resolve))
  expect(() => resolveOutputTarget(`${at('new')}/`)).toThrow(/names a directory/)
  expect(() => resolveOutputTarget(at('missing/file'))).toThrow(/ENOENT.*Create the directory first/)
  expect(() => resolveOutputTarget(at('x'.repeat(256)))).toThrow(/ENAMETOOLONG.*has 256 bytes: shorten it/)
})

it('does not wait for a pipe, a device or a directory to be read', () => {
  spawnSync('mkfifo', [at('unwritten')])
  expect(() => openInput(at('unwritten'))).toThrow(/is a named pipe, not a regular file/)
  expect(() => openInput('/dev/zero')).toThrow(/is a device/)
  expect(() => openInput(folder)).toThrow(/cannot be read/)
})

it('writes through links, also to what is not there yet, and tells of a circle', () => {
  mkdirSync(at('below'))
  symlinkSync('../file', at('below/relative'))
  symlinkSync('below', at('shortcut'))
  // The link is resolved from where it really lies.
  expect(resolveOutputTarget(at('shortcut/relative'))).toEqual({ path: at('file'), replaced: undefined })
  writeFileSync(at('file'), 'old')
  chmodSync(at('file'), 0o640)
  const target = resolveOutputTarget(at('shortcut/relative'))
  expect(target.path).toBe(at('file'))
  expect(target.replaced?.mode).toBe(0o640)
  symlinkSync('b', at('a'))
  symlinkSync('a', at('b'))
  expect(() => resolveOutputTarget(at('a'))).toThrow(/too many symbolic links \(ELOOP\)/)
})

it('takes over mode and group, and stays writable until it is complete', () => {
  writeFileSync(at('replaced'), 'old')
  chmodSync(at('replaced'), 0o450)
  const target = resolveOutputTarget(at('replaced'))
  writeFileSync(at('temporary'), 'new')
  takeOver(at('temporary'), target, false)
  expect(statSync(at('temporary')).mode & 0o7777).toBe(0o650)
  takeOver(at('temporary'), target, true)
  expect(statSync(at('temporary')).mode & 0o7777).toBe(0o450)
  expect(lstatSync(at('temporary')).gid).toBe(lstatSync(at('replaced')).gid)
})
