/**
 * Footers that the workers of a crew were told. Parsing one takes a fresh worker, whose code is not compiled yet, much
 * longer than receiving what the main thread has parsed.
 */
import type { ParquetFileMeta } from '@spillway/formats'
import type { ToWorker } from '@spillway/scheduler'

/** Of many files each worker reads some only: it then looks for itself. */
const CHUNKS_MAX = 4000

export class FooterRegistry {
  readonly #broadcast: (message: ToWorker) => void
  /** Footers are cached objects: another version of a file has another one. */
  readonly #told = new WeakSet<ParquetFileMeta>()

  constructor(broadcast: (message: ToWorker) => void) {
    this.#broadcast = broadcast
  }

  /** Tells the workers the footers of a scan, those that they were not told before. */
  share(metas: readonly ParquetFileMeta[]): void {
    const news = metas.filter((meta) => !this.#told.has(meta))
    const chunks = news.reduce((sum, meta) => sum + meta.rowGroups.length * meta.schema.fields.length, 0)
    if (chunks > CHUNKS_MAX) return
    for (const footer of news) {
      this.#told.add(footer)
      this.#broadcast({ kind: 'shareFooter', footer })
    }
  }
}
