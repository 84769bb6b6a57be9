/** Freeing memory in steps, a partition or a chunk each. */

/**
 * Spills one after the other until about `pages` pages are free.
 * @param spillNext returns the pages that it freed; 0 = nothing is left
 * @returns the pages freed
 */
export function spillUntil(pages: number, spillNext: () => number): number {
  let freed = 0
  while (freed < pages) {
    const freedNow = spillNext()
    if (freedNow === 0) break
    freed += freedNow
  }
  return freed
}
