/** When a file that is being written is brought to disk, against played system calls. */
import { expect, it } from 'vitest'
import { type OutputCalls, systemOutput } from './output-calls.ts'
import { OutputSync } from './output-sync.ts'

const MANY = 100 * 1024 * 1024

/** Calls that are noted; a sync lasts until it is settled from outside. */
class PlayedCalls {
  readonly noted: string[] = []
  readonly #waiting: { done: () => void; fail: (error: Error) => void }[] = []
  readonly calls: OutputCalls = {
    ...systemOutput,
    open: () => {
      this.noted.push('open')
      return 7
    },
    syncFile: () => {
      this.noted.push('sync')
      return new Promise((done, fail) => this.#waiting.push({ done, fail }))
    },
    close: () => {
      this.noted.push('close')
    },
  }

  async settle(error?: Error): Promise<void> {
    const first = this.#waiting.shift()
    if (error === undefined) first?.done()
    else first?.fail(error)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

it('syncs what is much, one call at a time, and the rest at the end', async () => {
  const played = new PlayedCalls()
  const sync = new OutputSync('file.tmp', played.calls)
  sync.written(1000)
  expect(played.noted).toEqual([])
  sync.written(MANY)
  sync.written(MANY)
  expect(played.noted).toEqual(['open', 'sync'])
  await played.settle()
  sync.written(1)
  expect(played.noted).toEqual(['open', 'sync', 'sync'])
  const ended = sync.end()
  await played.settle()
  expect(played.noted).toEqual(['open', 'sync', 'sync', 'sync'])
  await played.settle()
  await ended
  expect(played.noted.at(-1)).toBe('close')
})

it('keeps the first failure until the end, and does not ask again', async () => {
  const played = new PlayedCalls()
  const sync = new OutputSync('file.tmp', played.calls)
  sync.written(MANY)
  await played.settle(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }))
  sync.written(MANY)
  await expect(sync.end()).rejects.toMatchObject({ code: 'OUTPUT_FAILED', details: { file: 'file.tmp', errno: 'EIO' } })
  expect(played.noted).toEqual(['open', 'sync', 'close'])
})

it('leaves no open file when the output is not wanted any more', async () => {
  const played = new PlayedCalls()
  const sync = new OutputSync('file.tmp', played.calls)
  sync.written(MANY)
  const abandoned = sync.abandon()
  sync.written(MANY)
  expect(played.noted).toEqual(['open', 'sync'])
  await played.settle()
  await abandoned
  sync.written(MANY)
  expect(played.noted).toEqual(['open', 'sync', 'close'])
})
