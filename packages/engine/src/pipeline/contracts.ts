/**
 * The three roles of running operators, and what a worker lends them.
 *
 * Batches are named by the address of their descriptor; a batch is valid until the next one is pulled.
 * All of these objects live on one worker and are called by its pull loop only.
 */
import type { Arena, Reservation, Workspace } from '@spillway/memory'
import type { ControlBlock } from '@spillway/scheduler'
import type { MorselClaims } from './morsel-claims.ts'
import type { OperatorMeter } from './operator-meter.ts'
import type { QueryContext } from '../worker/query-context.ts'

export type PullStatus = 'batch' | 'working' | 'morselEnd' | 'blocked' | 'finished'

export interface Source {
  /**
   * `batch`: see `batch`. `working`: progress without a batch, pull again. `morselEnd`: a morsel is complete.
   * `finished`: no morsel is left for this worker.
   */
  pull(): PullStatus
  /** Address of the descriptor of the batch that the last `pull` gave. */
  readonly batch: number
  /** Sequence of the morsel being read; orders the outputs of all workers. */
  readonly sequence: number
  /** Set by the pull loop: the pipeline waits for something else and may give up what it can make again. */
  isParked: boolean
  /** Frees about `pages` pages of shared state that can be spilled; returns the pages freed. */
  spill(pages: number): number
  /** A filter that the source runs itself; an operator of the plan, with counts of its own. */
  readonly filter?: { readonly meter: OperatorMeter } | undefined
  /** Frees what it holds outside the workspace. Called once, also after failures. */
  close(): void
}

export interface Transform {
  /** Address of the resulting batch, or 0 when no row is left. `sequence` is that of the source's morsel. */
  apply(batch: number, sequence: number): number
  /** True when no further input can produce output (a slice that is full). */
  readonly isFinished: boolean
  /** True while the last input may give further batches. A transform that gives one per input has none of this. */
  readonly hasMore?: boolean
  /** The next batch of the last input, or 0: none at the moment. Asked for while `hasMore`. */
  resume?(): number
  /** At the end of the pipeline: state that later pipelines read. Own worker, once. */
  publish?(): { readonly sinkId: number; readonly state: unknown }
  /** Frees about `pages` pages by writing rows that are to be written anyway; returns the pages freed. */
  spill?(pages: number): number
  close(): void
}

export interface Sink {
  /** A pipeline that feeds it starts: how it claims morsels. A sink may outlive several pipelines. */
  setClaims(claims: MorselClaims): void
  /**
   * Takes a batch, or not yet: offer the same batch again, after others had their turn (`blocked`), or at once
   * (`working`: a bounded piece of work was done that must come first).
   */
  consume(batch: number, sequence: number, inputKind: number): 'taken' | 'blocked' | 'working'
  /** The morsel's batches have all been offered. */
  endMorsel(sequence: number): 'taken' | 'blocked'
  /** A bounded piece of work before `publish`; false = there is more. Left out: there is none. */
  settle?(): boolean
  /** Links local state into global state. Own worker, once. Returns plain data for the coordinator. */
  publish(): unknown
  /** Frees about `pages` pages by spilling; returns the pages freed. */
  spill(pages: number): number
  /** What it published can still be spilled by `spill`, while other pipelines run. */
  readonly keepsSpilling?: boolean
  /** Of that: pages that its next spill would free, 0 = nothing is left. */
  readonly nextSpillPages?: number
  /** After spilling what was published: the state that replaces this worker's, if it is another one. */
  republish?(): { readonly worker: number } | undefined
  close(): void
}

/** What an operator gets when it opens on a worker. */
export interface OpenContext {
  readonly query: QueryContext
  readonly arena: Arena
  readonly control: ControlBlock
  readonly reservation: Reservation
  readonly workspace: Workspace
  /**
   * Frees about `pages` pages of the pipeline; returns the pages freed. First go rows on their way to disk in the
   * transforms, which cost no further I/O. Then, for a source, while it is pulled: the sinks spill. For a transform or
   * a sink, while it takes a batch: the source spills what does not belong to the batch, then the (other) sinks.
   */
  readonly makeRoom: (pages: number) => number
  /** Only the first of that: what the transforms hold in the pipeline's own reservation. */
  readonly writePending: (pages: number) => number
  /**
   * For a sink that was refused pages: has a published state that nobody reads yet spill its largest partition, if that
   * frees at least `pages`, which the sink could free itself. Returns the pages freed.
   */
  readonly askBack: (pages: number) => number
  /** Address of a sink's resident pages; 0 without any. */
  readonly resident: number
  readonly meter: OperatorMeter
  readonly sequenceBase: number
  readonly morselCount: number
}
