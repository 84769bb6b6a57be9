/**
 * A report of what an engine does at this moment, for somebody who wonders why nothing seems to move: which queries
 * run, which phase of each waits for which workers, who holds how much memory, and where every worker stands.
 *
 * Workers answer between two steps. One that does not answer is inside a step: it computes, or its system call waits.
 */
import { type ControlBlock, type FromWorker, queryCounter, queryWord, type WorkerPool } from '@spillway/scheduler'
import type { ArenaKeeper } from './arena-keeper.ts'
import type { Candidate } from './candidate.ts'
import type { QueryRun } from './query-run.ts'
import { megabytes } from './query-sizer.ts'

/** A step takes some milliseconds; on a busy machine some more. */
const ANSWER_WITHIN_MS = 1000

interface Question {
  readonly answers: Map<number, readonly string[]>
  readonly done: () => void
}

/** Asks workers where their pipelines stand. */
export class WorkerReports {
  readonly #pool: WorkerPool
  readonly #questions = new Map<number, Question>()
  #ticket = 0

  constructor(pool: WorkerPool) {
    this.#pool = pool
  }

  receive({ ticket, worker, lines }: FromWorker & { kind: 'described' }): void {
    const question = this.#questions.get(ticket)
    question?.answers.set(worker, lines)
    if (question?.answers.size === this.#pool.workerCount) question.done()
  }

  /** One line or more per worker; settles after a second whatever the workers do. */
  async lines(): Promise<string[]> {
    const ticket = this.#ticket++
    const answers = new Map<number, readonly string[]>()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ANSWER_WITHIN_MS)
      const done = (): void => {
        clearTimeout(timer)
        resolve()
      }
      this.#questions.set(ticket, { answers, done })
      this.#pool.broadcast({ kind: 'describe', ticket })
    })
    this.#questions.delete(ticket)
    return Array.from({ length: this.#pool.workerCount }, (_, worker) => answers.get(worker)).flatMap(
      (lines, worker) => {
        if (lines === undefined) return [`w${worker} does not answer: it is inside one step`]
        return lines.length === 0 ? [`w${worker} has nothing to do`] : lines.map((line) => `w${worker} ${line}`)
      },
    )
  }
}

export async function reportEngine(
  crew: { readonly control: ControlBlock; readonly keeper: ArenaKeeper; readonly reports: WorkerReports },
  running: Iterable<QueryRun>,
  waiting: readonly Candidate[],
): Promise<string> {
  const { control, keeper, reports } = crew
  const { arena } = keeper
  const memory =
    arena === undefined
      ? 'no arena'
      : `pages: reserved=${arena.reservedPages} of ${arena.reservablePages}, used=${arena.usedPages}`
  const { rss, heapUsed, external } = process.memoryUsage()
  const outside =
    `pressure=${control.pressure} resident=${megabytes(rss)} of which heap=${megabytes(heapUsed)} ` +
    `external=${megabytes(external)} arena touched=${megabytes(arena?.highWaterBytes ?? 0)}`
  const queries = [...running].map((run) => {
    const { slot } = run
    const pages = Array.from({ length: control.workerCount }, (_, worker) => control.usedPages(slot, worker))
    return (
      `${run.describe()} pages by worker=${pages} published=${control.load(slot, queryWord.publishedPages)} ` +
      `floor=${control.load(slot, queryWord.floorPages)} morsels claimed=${control.load(slot, queryWord.nextMorsel)} ` +
      `done=${control.counted(slot, queryCounter.morselsDone)} tokens=${control.load(slot, queryWord.tokensOut)} ` +
      `rows=${control.counted(slot, queryCounter.rowsIn)} spilled=${control.counted(slot, queryCounter.spilledBytes)}`
    )
  })
  const line = waiting.map((candidate) => candidate.describe())
  return [`${memory}, ${outside}`, ...queries, ...line, ...(await reports.lines())].join('\n')
}
