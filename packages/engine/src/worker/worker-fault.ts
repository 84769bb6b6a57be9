/**
 * Deliberate deaths of a worker in mid-query, for tests: a trap in WebAssembly, an exception, an exit of the thread.
 */
import { unreachable } from '@spillway/stdx'

/** Plain data that crosses threads; all workers count their pulls on one counter. */
export interface WorkerFault {
  readonly kind: 'trap' | 'throw' | 'exit'
  /** Index of the pull, from 0, at which it happens. */
  readonly at: number
  /** One Int32. */
  readonly counter: SharedArrayBuffer
}

/** A module with one function, whose body is `unreachable`. */
const trapModule = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0],
  ...[3, 2, 1, 0],
  ...[7, 5, 1, 1, 0x66, 0, 0],
  ...[10, 5, 1, 3, 0, 0, 0x0b],
)

export function strikeWorker(fault: WorkerFault): void {
  if (Atomics.add(new Int32Array(fault.counter), 0, 1) !== fault.at) return
  switch (fault.kind) {
    case 'trap': {
      const { f } = new WebAssembly.Instance(new WebAssembly.Module(trapModule)).exports
      ;(f as () => void)()
      return
    }
    case 'throw':
      throw new TypeError('injected fault')
    case 'exit':
      process.exit(7)
      return
    default:
      unreachable(fault.kind)
  }
}
