/** Tells a program how far its query is, a few times a second. The fraction never falls. */
import { makeError } from '@spillway/stdx'
import type { Progress } from './query-request.ts'
import type { QueryRun } from './query-run.ts'

const PROGRESS_INTERVAL_MS = 100

/** What a callback throws cancels its query: nobody else could hear of it. */
export function startProgress(
  run: QueryRun,
  onProgress: ((progress: Progress) => void) | undefined,
): { finish: () => void; stop: () => void } {
  if (onProgress === undefined) return { finish: () => {}, stop: () => {} }
  let highest = 0
  const tell = (): void => {
    const progress = run.progress()
    highest = Math.max(highest, progress.fraction)
    try {
      onProgress({ ...progress, fraction: highest })
    } catch (cause) {
      run.fail(makeError('CANCELLED', 'The query was cancelled: onProgress threw an error.', {}, { cause }))
    }
  }
  const timer = setInterval(tell, PROGRESS_INTERVAL_MS)
  // What keeps the process alive is that somebody waits for the query.
  timer.unref()
  return {
    finish: () => {
      highest = 1
      tell()
    },
    stop: () => clearInterval(timer),
  }
}
