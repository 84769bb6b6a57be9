/**
 * How eagerly V8 makes WebAssembly fast. Code starts in a quick form and is compiled again, in the background, when it
 * has run for a while. Left alone, V8 does so after a fraction of a millisecond of running and on four threads at once:
 * half of the processor time of a first scan goes into functions of the codec that are hardly used again, and each
 * thread keeps about 10 MB of scratch memory.
 */
import { availableParallelism } from 'node:os'
import v8 from 'node:v8'

/** Below this limit one compilation at a time is enough, however many cores there are. */
const SMALL_LIMIT_BYTES = 1e9
const CORES_PER_TASK = 4
/** About bytes of code executed before a function is compiled again; V8's own is 1.8 M. Measured. */
const TIERING_BUDGET = 25_000_000

let tasksInForce = Number.POSITIVE_INFINITY

/** Call before workers start. The settings are the process's; a later, smaller limit lowers them. */
export function limitCompilation(memoryLimitBytes: number): void {
  const share = Math.max(1, Math.floor(availableParallelism() / CORES_PER_TASK))
  const tasks = memoryLimitBytes < SMALL_LIMIT_BYTES ? 1 : share
  if (tasks >= tasksInForce) return
  if (tasksInForce === Number.POSITIVE_INFINITY) v8.setFlagsFromString(`--wasm-tiering-budget=${TIERING_BUDGET}`)
  tasksInForce = tasks
  v8.setFlagsFromString(`--wasm-num-compilation-tasks=${tasks}`)
}
