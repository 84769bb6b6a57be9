/**
 * A complete build side that nobody probes yet: later pipelines of the query run, and may ask its memory back. Any
 * worker writes partitions of it to disk, each under its lock, the one that frees most first.
 *
 * Rows that are found by key are all written at once, as the array by key would keep pointing to those that are gone.
 */
import type { JoinRowsExports } from '@spillway/codegen'
import type { WorkspaceSize } from '@spillway/memory'
import type { OpenContext } from '../../pipeline/contracts.ts'
import { RowSpiller, sizeRowSpiller } from '../group-by/row-spiller.ts'
import type { JoinBuildSpec } from './join.ts'
import { PublishedBuild } from './published-build.ts'
import { SpilledFilter } from './spilled-filter.ts'

export function sizeIdleBuild(spec: JoinBuildSpec, size: WorkspaceSize): void {
  sizeRowSpiller(spec.shape.build, spec.batchRows, size)
}

export class IdleBuild {
  readonly #context: OpenContext
  readonly #spec: JoinBuildSpec
  readonly #build: PublishedBuild
  readonly #filter: SpilledFilter

  constructor(context: OpenContext, spec: JoinBuildSpec) {
    this.#context = context
    this.#spec = spec
    this.#build = new PublishedBuild(context, spec)
    // Rows that go to disk now must not be ruled out by it.
    this.#filter = new SpilledFilter(context, spec.filterCounter)
  }

  /** Pages of the partition that frees most; 0 = nothing is left. */
  get nextSpillPages(): number {
    return this.#largest().pages
  }

  /** Of those that no other worker writes. */
  #largest(): { readonly partition: number; readonly pages: number } {
    let largest = { partition: -1, pages: 0 }
    for (let partition = 0; partition < this.#build.partitionCount; partition++) {
      const pages = this.#build.isFree(partition) ? this.#build.pagesOf(partition) : 0
      if (pages > largest.pages) largest = { partition, pages }
    }
    return largest
  }

  /** Returns the pages freed, about `pages`. */
  spill(pages: number): number {
    const { query, arena } = this.#context
    const { build } = this.#spec.shape
    const exports = query.instance(build.moduleKey) as unknown as JoinRowsExports
    const workspace = query.openStoreArea()
    const spiller = new RowSpiller({ ...this.#context, workspace }, build, exports, this.#spec.batchRows)
    const freed =
      this.#build.findDirectMap() === undefined ? this.#spillLargest(pages, spiller) : this.#spillAll(spiller)
    workspace.check(build.text)
    if (freed > 0) query.log(`equi-join: ${freed} pages asked back, arena-used=${arena.usedPages}`)
    return freed
  }

  #spillLargest(pages: number, spiller: RowSpiller): number {
    let freed = 0
    while (freed < pages) {
      const { partition } = this.#largest()
      if (partition < 0) break
      // Another worker may have come first: the next one then.
      if (this.#build.tryClaim(partition)) freed += this.#spillPartition(partition, spiller)
    }
    return freed
  }

  #spillAll(spiller: RowSpiller): number {
    let freed = 0
    for (let partition = 0; partition < this.#build.partitionCount; partition++) {
      if (!this.#build.tryClaim(partition)) continue
      if (this.#build.pagesOf(partition) > 0) freed += this.#spillPartition(partition, spiller)
      this.#build.leaveDirectMap()
    }
    return freed
  }

  #spillPartition(partition: number, spiller: RowSpiller): number {
    const { counts } = this.#context.meter
    if (this.#build.files(partition).length === 0) counts.partitionsSpilled += 1
    counts.partitionsAskedBack += 1
    return this.#build.spill(partition, spiller, this.#filter)
  }
}
