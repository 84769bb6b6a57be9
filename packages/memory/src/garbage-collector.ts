/**
 * A collection of the heap on demand. What the limit of a process is worth depends on it: garbage is resident, and a
 * runtime left alone gathers tens of megabytes of it.
 *
 * Programs that start without `--expose-gc` have no `gc` of their own. V8 puts one into each context that is made after
 * the flag was set, which is how Node and Deno give it here; Bun has no V8 and brings its own.
 */
import v8 from 'node:v8'
import vm from 'node:vm'
import { makeError } from '@spillway/stdx'

/** Collects the whole heap, or its young part only where the runtime tells them apart; returns when it is done. */
export type CollectGarbage = (options?: { readonly type: 'minor' }) => void

interface BunRuntime {
  readonly gc: (isSynchronous: boolean) => void
}

let found: CollectGarbage | undefined

/**
 * The collector of this thread.
 * @throws ResourceError RUNTIME_UNSUPPORTED when the runtime has none: a memory limit would be an empty promise
 */
export function garbageCollector(): CollectGarbage {
  found ??= findCollector((globalThis as { readonly Bun?: BunRuntime }).Bun)
  return found
}

/** Exported for its test. */
export function findCollector(bun: BunRuntime | undefined, fromContext = collectorOfContext): CollectGarbage {
  // A young collection is asked for often, and Bun's is never partial, so it goes on in the background there.
  if (bun !== undefined) return (options) => bun.gc(options?.type !== 'minor')
  try {
    return fromContext()
  } catch (cause) {
    const text = 'The runtime has no garbage collector that can be called. Run the program in Node, Deno or Bun.'
    throw makeError('RUNTIME_UNSUPPORTED', text, {}, { cause })
  }
}

function collectorOfContext(): CollectGarbage {
  v8.setFlagsFromString('--expose-gc')
  return vm.runInNewContext('gc') as CollectGarbage
}
