/**
 * Keys outside the arena: the words of a row's key and its ordinal, compared as the kernels compare them with a bound
 * (packages/kernels/assembly/sort-order.ts). Used for a handful of keys per block: samples, bounds, first keys.
 */
import { sortOrder, sortSegment } from '@spillway/kernels'

/** `order`: the table of the layout. Behind a long string keys that agree so far are equal. */
export function compareKeyWords(
  a: BigUint64Array,
  aStart: number,
  b: BigUint64Array,
  bStart: number,
  order: Uint32Array,
): number {
  const segments = order[sortOrder.segmentCount] as number
  let word = 0
  for (let index = 0; index < segments; index++) {
    const segment = (sortOrder.headBytes + index * sortOrder.segmentBytes) >>> 2
    const end = order[segment + (sortSegment.end >>> 2)] as number
    for (; word < end; word++) {
      const left = a[aStart + word] as bigint
      const right = b[bStart + word] as bigint
      if (left !== right) return left < right ? -1 : 1
    }
    if (order[segment + (sortSegment.view >>> 2)] === 0) continue
    if (Number((a[aStart + end - 1] as bigint) & 0xffn) === order[segment + (sortSegment.marker >>> 2)]) return 0
  }
  return 0
}
