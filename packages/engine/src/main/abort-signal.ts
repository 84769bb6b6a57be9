/** A query's AbortSignal: what an abort turns into, and waiting that an abort ends. */
import { makeError } from '@spillway/stdx'

/** Waits for `turn`, but no longer than the signal lets. @throws CancelledError */
export async function orAborted(turn: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return turn
  let abort: () => void = () => {}
  const aborted = new Promise<void>((resolve) => {
    abort = resolve
  })
  signal.addEventListener('abort', abort)
  await Promise.race([turn, aborted])
  signal.removeEventListener('abort', abort)
  throwIfAborted(signal)
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelledBy(signal)
}

export function cancelledBy(signal: AbortSignal | undefined) {
  return makeError('CANCELLED', 'The query was cancelled by its signal.', {}, { cause: signal?.reason })
}
