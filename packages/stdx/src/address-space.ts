/**
 * A process may be out of address space long before it is out of memory: every WebAssembly memory reserves some 10 GB
 * of it, whatever it holds, and a limit of virtual memory (`ulimit -v`, a batch system's) counts that.
 */
import { makeError, type SpillwayError } from './errors.ts'

/** Whether the system refused room for a WebAssembly memory or for a thread. Engines tell it by text only. */
export function isOutOfAddressSpace(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === 'ERR_WORKER_INIT_FAILED' || code === 'ERR_WORKER_OUT_OF_MEMORY') return true
  return /could not allocate memory|cannot allocate wasm memory|WebAssembly\.\w+\(\): out of memory/i.test(
    error.message,
  )
}

export function addressSpaceError(what: string, cause: unknown): SpillwayError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const text =
    `Address space too small: ${what} (${reason}). Every WebAssembly memory reserves about 10 GB of ` +
    'address space, one per thread and one of the engine. Remove the limit of virtual memory (ulimit -v unlimited), ' +
    'or use fewer threads.'
  return makeError('ADDRESS_SPACE', text, {}, { cause })
}
