/**
 * How many threads V8 makes WebAssembly fast on. Code starts in a quick form and is compiled again, in the background,
 * when it has run for a while; each thread that does so keeps about 10 MB of scratch memory.
 */
import { availableParallelism } from 'node:os'
import v8 from 'node:v8'

/** Below this limit one compilation at a time is enough, however many cores there are. */
const SMALL_LIMIT_BYTES = 1e9
const CORES_PER_TASK = 4

let tasksInForce = Number.POSITIVE_INFINITY

/** Call before workers start. The settings are the process's; a later, smaller limit lowers them. */
export function limitCompilation(memoryLimitBytes: number): void {
  const share = Math.max(1, Math.floor(availableParallelism() / CORES_PER_TASK))
  const tasks = memoryLimitBytes < SMALL_LIMIT_BYTES ? 1 : share
  if (tasks >= tasksInForce) return
  tasksInForce = tasks
  v8.setFlagsFromString(`--wasm-num-compilation-tasks=${tasks}`)
}
