// nodejs-polars with its in-memory engine: often ahead of its streaming engine when the table fits.
import { open as openPolars } from './polars.mjs'

/** Same options as the streaming side. */
export function open(options) {
  return openPolars({ ...options, engine: 'in-memory' })
}
