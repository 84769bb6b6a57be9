/** The collector that is found collects, and a runtime without one is an error. */
import { describe, expect, it } from 'vitest'
import { findCollector, garbageCollector } from './garbage-collector.ts'

describe('garbageCollector', () => {
  it('frees what nothing holds any more', async () => {
    const collect = garbageCollector()
    const held = { reference: undefined as WeakRef<object> | undefined }
    const drop = () => {
      held.reference = new WeakRef({ bytes: new Uint8Array(1000) })
    }
    drop()
    // A reference is kept until the turn that made it ends.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(held.reference?.deref()).toBeUndefined()
  })

  it('takes the collector of Bun, which waits for whole collections only', () => {
    const calls: boolean[] = []
    const collect = findCollector({ gc: (isSynchronous) => calls.push(isSynchronous) })
    collect()
    collect({ type: 'minor' })
    expect(calls).toEqual([true, false])
  })

  it('says so when the runtime has none', () => {
    const none = (): never => {
      throw new ReferenceError('gc is not defined')
    }
    expect(() => findCollector(undefined, none)).toThrow(
      expect.objectContaining({ code: 'RUNTIME_UNSUPPORTED', name: 'ResourceError' }),
    )
  })
})
