/** A query's AbortSignal: what an abort turns into. */
import { makeError } from '@spillway/stdx'

/** @throws CancelledError when the signal was given */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelledBy(signal)
}

export function cancelledBy(signal: AbortSignal | undefined) {
  return makeError('CANCELLED', 'The query was cancelled by its signal.', {}, { cause: signal?.reason })
}
