/**
 * What a query is given when it is admitted: the promise of its floor, and the pages of that which must lie in a row.
 */
import type { Arena } from '@spillway/memory'
import type { PhysicalPlan } from '../physical/physical-plan.ts'

/** Tag of the pages of a query. */
export const ownerOf = (slot: number): number => 1 + slot

/**
 * Promises a plan its floor, and takes the runs of pages in which the buffers of each of its workers lie: an admitted
 * query must not find other queries' pages between its own. @returns their addresses; undefined: nothing is held
 */
export function promiseFloor(
  arena: Arena,
  slot: number,
  { floorPages, floor, sizing }: PhysicalPlan,
): number[] | undefined {
  if (arena.kernels.reserve(floorPages) === 0) return undefined
  const regions: number[] = []
  while (regions.length < sizing.threads) {
    const address = floor.regionPages === 0 ? 0 : arena.kernels.pageAlloc(ownerOf(slot), floor.regionPages) >>> 0
    if (address === 0 && floor.regionPages > 0) {
      arena.kernels.ownerFree(ownerOf(slot))
      arena.kernels.release(floorPages)
      return undefined
    }
    regions.push(address)
  }
  return regions
}
