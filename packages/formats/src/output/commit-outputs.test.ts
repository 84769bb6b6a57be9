/** Several outputs get their names: every call fails once, with and without links. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SpillwayError } from '@spillway/stdx'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commitOutputFiles } from './commit-outputs.ts'
import { type OutputCalls, type OutputFault, outputCalls, systemOutput } from './output-calls.ts'

const names = ['a', 'b', 'c']

const withoutLinks = (calls: OutputCalls): OutputCalls => ({
  ...calls,
  link() {
    throw Object.assign(new Error('EPERM: no links here'), { code: 'EPERM' })
  },
})

describe('several complete files', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spillway-commit-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  /** All files of the folder and what they hold. */
  const state = (): Record<string, string> =>
    Object.fromEntries(
      readdirSync(folder)
        .sort()
        .map((name) => {
          const path = join(folder, name)
          return [name, statSync(path).isDirectory() ? 'a folder' : readFileSync(path, 'utf8')]
        }),
    )
  /** @param old the names that stand for something */
  const prepare = (old: readonly string[]) => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
    for (const name of old) writeFileSync(join(folder, name), `old ${name}`)
    const before = state()
    for (const name of names) writeFileSync(join(folder, `${name}.tmp`), `new ${name}`)
    const files = names.map((name) => ({ temporary: join(folder, `${name}.tmp`), target: join(folder, name) }))
    return { files, before }
  }
  const commit = (files: Parameters<typeof commitOutputFiles>[0], calls: OutputCalls): SpillwayError | undefined => {
    try {
      commitOutputFiles(files, calls)
      return undefined
    } catch (error) {
      return error as SpillwayError
    } finally {
      for (const { temporary } of files) rmSync(temporary, { force: true })
    }
  }
  const allNew = { a: 'new a', b: 'new b', c: 'new c' }
  const fault = (kind: OutputFault['kind'], operation: number): OutputFault => ({
    ...{ kind, operation },
    counter: new SharedArrayBuffer(4),
  })

  for (const [text, change] of [
    ['links', (calls: OutputCalls) => calls],
    ['no links', withoutLinks],
  ] as const) {
    for (const old of [[], ['a'], ['b', 'c'], names]) {
      it(`all or none at every failed call, ${text}, over [${old}]`, () => {
        const dry = fault('fail', -1)
        expect(commit(prepare(old).files, change(outputCalls(dry)))).toBeUndefined()
        expect(state()).toEqual(allNew)
        const calls = Atomics.load(new Int32Array(dry.counter), 0)
        expect(calls).toBeGreaterThanOrEqual(names.length + 2)
        let failures = 0
        for (let operation = 0; operation < calls; operation++) {
          const { files, before } = prepare(old)
          const error = commit(files, change(outputCalls(fault('fail', operation))))
          if (error === undefined) {
            // Only what comes after the last rename may fail unheard: an old file that stays, a folder's sync.
            expect(state()).toMatchObject(allNew)
            continue
          }
          failures += 1
          expect([operation, error.code, error.details['completeFiles']]).toEqual([
            operation,
            'OUTPUT_FAILED',
            undefined,
          ])
          expect(state()).toEqual(before)
        }
        const kept = old.filter((name) => name !== 'c').length
        expect(failures).toBe(names.length + kept)
      })
    }
  }

  it('a disk that fails for good: the error names what could not be taken back', () => {
    const { files } = prepare(['a'])
    // link a, rename a, rename b; and from then on nothing works.
    const error = commit(files, outputCalls(fault('fail-on', 3)))
    expect(error?.code).toBe('OUTPUT_FAILED')
    expect(error?.details['completeFiles']).toBe([join(folder, 'a'), join(folder, 'b')].join(', '))
    expect(error?.message).toContain('could not be taken back')
    expect(state()).toEqual({ a: 'new a', 'a.tmp.old': 'old a', b: 'new b' })
  })

  for (const [text, change] of [
    ['links', (calls: OutputCalls) => calls],
    ['no links', withoutLinks],
  ] as const) {
    it(`a disk that fails for good at any call: the error names new files only, ${text}`, () => {
      for (let operation = 0; operation < 8; operation++) {
        const { files, before } = prepare(names)
        const error = commit(files, change(outputCalls(fault('fail-on', operation))))
        if (error === undefined) continue
        const after = state()
        const isNew = names.filter((name) => after[name] === `new ${name}`)
        const told = isNew.length === 0 ? undefined : isNew.map((name) => join(folder, name)).join(', ')
        expect([operation, error.details['completeFiles']]).toEqual([operation, told])
        // Nothing old is lost, and where it is under another name the error says so.
        for (const name of names) {
          const [place] = Object.entries(after).find(([, text]) => text === before[name]) ?? []
          expect([operation, place]).not.toEqual([operation, undefined])
          if (after[name] === undefined) expect(error.message).toContain(`is "${join(folder, place ?? '')}" now`)
        }
      }
    })
  }

  it('never puts a folder aside', () => {
    for (const name of names) {
      const { files } = prepare(names.filter((each) => each !== name))
      mkdirSync(join(folder, name))
      const before = { ...state(), 'a.tmp': undefined, 'b.tmp': undefined, 'c.tmp': undefined }
      for (const calls of [systemOutput, withoutLinks(systemOutput)]) {
        for (const each of names) writeFileSync(join(folder, `${each}.tmp`), `new ${each}`)
        expect(commit(files, calls)?.message).toMatch(new RegExp(`${name} \\(EISDIR\\)`))
        expect({ 'a.tmp': undefined, 'b.tmp': undefined, 'c.tmp': undefined, ...state() }).toEqual(before)
      }
    }
  })
})
