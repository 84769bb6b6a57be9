/** How a partition of a group table gets more room: blocks of rows as rings of slots, heap pages as blocks. */
import { rowBlockPages, type RowLayout, rowsPerBlock } from '@spillway/codegen'
import { type ArenaKernels, PAGE_BYTES } from '@spillway/kernels'
import { firstSlot, type PageSource } from './row-chain.ts'
import type { StoreFields } from './store-fields.ts'

/** Where pages come from, and what rows look like in them. */
export interface PageNeeds {
  readonly kernels: ArenaKernels
  readonly layout: RowLayout
  readonly pages: PageSource
}

/** Slots for more rows: what is left of the tail block's ring, or a new block. False: its pages were refused. */
export function addRowPage(fields: StoreFields, needs: PageNeeds, partition: number): boolean {
  const { rowBytes } = needs.layout
  const slots = rowsPerBlock(needs.layout)
  const pages = rowBlockPages(needs.layout)
  const lastPage = fields.part(partition, 'rowTail')
  const tail = lastPage - (pages - 1) * PAGE_BYTES
  const start = firstSlot(tail, slots)
  if (lastPage !== 0 && start > 0 && fields.part(partition, 'rowEnd') === tail + slots * rowBytes) {
    fields.setPart(partition, 'rowCursor', tail)
    fields.setPart(partition, 'rowEnd', tail + start * rowBytes)
    return true
  }
  const block = needs.pages.take(pages) >>> 0
  if (block === 0) return false
  link(fields, needs, partition, ['rowHead', 'rowTail'], block, pages)
  fields.setPart(partition, 'rowCursor', block + firstSlot(block, slots) * rowBytes)
  fields.setPart(partition, 'rowEnd', block + slots * rowBytes)
  fields.setPart(partition, 'rowPages', fields.part(partition, 'rowPages') + pages)
  return true
}

/** `count` contiguous heap pages. False: they were refused. */
export function addHeapPages(fields: StoreFields, needs: PageNeeds, partition: number, count: number): boolean {
  const block = needs.pages.take(count) >>> 0
  if (block === 0) return false
  link(fields, needs, partition, ['heapHead', 'heapTail'], block, count)
  fields.setPart(partition, 'heapCursor', block)
  fields.setPart(partition, 'heapEnd', block + count * PAGE_BYTES)
  fields.setPart(partition, 'heapPages', fields.part(partition, 'heapPages') + count)
  return true
}

/** Links `count` contiguous pages behind the tail of a chain. */
function link(
  fields: StoreFields,
  { kernels }: PageNeeds,
  partition: number,
  [head, tail]: readonly ['rowHead', 'rowTail'] | readonly ['heapHead', 'heapTail'],
  block: number,
  count: number,
): void {
  const last = fields.part(partition, tail)
  if (last === 0) fields.setPart(partition, head, block)
  else kernels.pageNextSet(last, block)
  for (let index = 0; index + 1 < count; index++) {
    kernels.pageNextSet(block + index * PAGE_BYTES, block + (index + 1) * PAGE_BYTES)
  }
  const end = block + (count - 1) * PAGE_BYTES
  kernels.pageNextSet(end, 0)
  fields.setPart(partition, tail, end)
}
