/**
 * The crew of an engine: workers, control block and arena, which live and are condemned together. A lost worker may
 * have left shared state in any condition, so nothing of its crew is used again; the next query starts a new one.
 */
import { ControlBlock, type FromWorker, QUERY_SLOTS, WorkerPool } from '@spillway/scheduler'
import { addressSpaceError, isOutOfAddressSpace, makeError } from '@spillway/stdx'
import { ArenaKeeper } from './arena-keeper.ts'
import { WorkerReports } from './engine-report.ts'
import { FooterRegistry } from './footer-registry.ts'
import type { QueryRun } from './query-run.ts'
import { TableRegistry } from './table-registry.ts'

export interface CrewOptions {
  readonly threads: number
  readonly workerFile: string
}

/** Everything that exists once workers are up; replaced as a whole when a worker is lost. */
export interface Crew {
  readonly control: ControlBlock
  readonly pool: WorkerPool
  readonly keeper: ArenaKeeper
  readonly reports: WorkerReports
  readonly tables: TableRegistry
  readonly footers: FooterRegistry
  readonly slots: (QueryRun | undefined)[]
  /** Set when a worker was lost or trapped: nothing of this crew is used any more. */
  isLost: boolean
  /** Resolves when the workers of a lost crew have ended. */
  ended: Promise<void>
}

/**
 * Starts workers and waits until all of them answer.
 * @param onLost called when a worker dies, also while starting
 * @throws InternalError WORKER_FAILED when one dies before it answers
 */
export async function startCrew(options: CrewOptions, onLost: (crew: Crew, error: Error) => void): Promise<Crew> {
  const control = ControlBlock.create(options.threads)
  const slots = new Array<QueryRun | undefined>(QUERY_SLOTS).fill(undefined)
  const byId = (queryId: number): QueryRun | undefined => slots.find((run) => run?.facts.queryId === queryId)
  const start: { error: Error | undefined } = { error: undefined }
  const pool: WorkerPool = new WorkerPool({
    workerFile: options.workerFile,
    control,
    onMessage: (message: FromWorker) => {
      if (message.kind === 'answered') keeper.receive(message)
      else if (message.kind === 'described') reports.receive(message)
      else byId(message.queryId)?.receive(message)
    },
    onWorkerLost: (error) => {
      start.error = error
      onLost(crew, error)
    },
  })
  const keeper: ArenaKeeper = new ArenaKeeper(pool, control)
  const reports: WorkerReports = new WorkerReports(pool)
  const tables = new TableRegistry((message) => pool.broadcast(message))
  const footers = new FooterRegistry((message) => pool.broadcast(message))
  const crew: Crew = {
    ...{ control, pool, keeper, reports, tables, footers, slots },
    ...{ isLost: false, ended: Promise.resolve() },
  }
  // What the workers hold once they are up is part of the base. A collection would cost a tenth of a second here; it
  // is made up for when a query does not fit.
  await keeper.waitForWorkers()
  if (isOutOfAddressSpace(start.error)) throw addressSpaceError('a worker could not start', start.error)
  if (start.error !== undefined) {
    const text = `A worker failed to start (${start.error.message}). Check that memory and threads are available.`
    throw makeError('WORKER_FAILED', text, {}, { cause: start.error })
  }
  return crew
}
