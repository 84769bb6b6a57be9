/**
 * What must not outlive the process: duties that run when it ends by itself, by `process.exit`, an uncaught error, an
 * unhandled rejection, or by SIGINT, SIGTERM or SIGHUP where the program does not handle the signal itself. A program
 * that does decides what the signal means; its `process.exit` comes by here as well.
 *
 * signal-exit knows of the other copies of itself, so that a process with several is ended by a signal all the same.
 */
import { onExit } from 'signal-exit'

const duties = new Set<() => void>()
let ignore: (() => void) | undefined

/**
 * Runs `duty` when the process ends. It must be synchronous; what it throws is lost.
 * @returns takes the duty back; may be called twice
 */
export function atProcessEnd(duty: () => void): () => void {
  duties.add(duty)
  ignore ??= onExit(doAll)
  return () => {
    duties.delete(duty)
    if (duties.size > 0) return
    ignore?.()
    ignore = undefined
  }
}

function doAll(): void {
  for (const duty of duties) {
    try {
      duty()
    } catch {
      // The other duties matter as much, and nobody could hear of this one.
    }
  }
  duties.clear()
}
