/**
 * Where the worker's code lies. A module of its own, because the published package finds it in another way: there this
 * module is replaced (scripts/pack/replacements).
 */
import { fileURLToPath } from 'node:url'

/** The built file that worker threads run. */
export const workerFile: string = fileURLToPath(new URL('./worker.bundle.js', import.meta.url))
