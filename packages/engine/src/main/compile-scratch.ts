/**
 * Memory that V8's background compiler takes while it makes the codec's code fast: about 10 MB per task at a time, kept
 * by the allocator of the thread it ran on. Under a small limit one task at a time is enough.
 */
import v8 from 'node:v8'

const SMALL_LIMIT_BYTES = 1e9
let isLimited = false

/** Call before workers start. The setting is the process's; it makes the first second of a codec slower, no more. */
export function limitCompileScratch(memoryLimitBytes: number): void {
  if (isLimited || memoryLimitBytes >= SMALL_LIMIT_BYTES) return
  isLimited = true
  v8.setFlagsFromString('--wasm-num-compilation-tasks=1')
}
