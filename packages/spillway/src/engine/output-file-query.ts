/** An output that is one file: workers write pieces under a temporary name; this adds the tail. */
import { dirname, resolve } from 'node:path'
import type { EncoderNeed, QueryOptions, RootSink, SinkFileOutput, Sizing } from '@spillway/engine'
import {
  beginOutputFile,
  discardOutputFile,
  endOutputFile,
  type FileTail,
  OutputSync,
  outputCalls,
  resolveOutputTarget,
  takeOver,
} from '@spillway/formats'
import { OutputTemporary, removeDeadTemporaries } from '@spillway/memory'
import type { LogicalNode } from '@spillway/plan'
import { queryCounter } from '@spillway/scheduler'
import { assert } from '@spillway/stdx'
import type { SinkResult } from '../session.ts'
import type { QueryOutput } from './query-outputs.ts'

/** What a format says about its file. `F` is what the tail needs to know of a piece. */
export interface OutputFormat<F> {
  /** Gives the rows as they are stored. */
  readonly plan: LogicalNode
  readonly header: Uint8Array
  readonly makeSink: (temporaryPath: string) => RootSink
  readonly encoder: (sizing: Sizing) => EncoderNeed
  /** @param pieces in the order of the rows */
  readonly tail: (pieces: readonly SinkFileOutput<F>[], rowCount: number) => FileTail
}

/** @throws OUTPUT_FAILED when the path cannot become a regular file */
export function fileOutput<F>(path: string, format: OutputFormat<F>, query: QueryOptions): QueryOutput<SinkResult> {
  const target = resolveOutputTarget(path)
  const writing = new OutputTemporary(target.path)
  const temporary = writing.path
  const pieces: SinkFileOutput<F>[] = []
  const calls = outputCalls(query.testing.outputFault)
  const sync = new OutputSync(temporary, calls)
  /** What killed processes left beside the target goes while the query runs. */
  let sweeping: Promise<void> | undefined
  let rowCount = 0
  let bytes = 0
  return {
    root: {
      plan: format.plan,
      makeSink: format.makeSink(temporary),
      onOutput: (output) => {
        const piece = output as SinkFileOutput<F>
        pieces.push(piece)
        sync.written(piece.bytes)
      },
    },
    keepsResults: false,
    encoder: format.encoder,
    begin: () => {
      writing.begin()
      sweeping = removeDeadTemporaries(dirname(target.path))
      beginOutputFile(temporary, format.header, calls)
      takeOver(temporary, target, false)
    },
    admitted: ({ slot, control }, outputIndex) => {
      control.count(slot, queryCounter.sinkOffset + outputIndex, format.header.length)
    },
    complete: async ({ operators }, { operatorId }) => {
      const sink = operators.find((operator) => operator.operatorId === operatorId)
      assert(sink !== undefined, 'metrics tell of every sink')
      rowCount = sink.rowsOut
      pieces.sort((a, b) => a.sequence - b.sequence)
      bytes = endOutputFile(temporary, format.tail(pieces, rowCount), calls)
      await sync.end()
      takeOver(temporary, target, true)
      await sweeping
    },
    file: { temporary, target: target.path },
    finish: (metrics) => ({ path: resolve(path), rowCount, bytes, metrics }),
    committed: () => writing.end(),
    discard: async () => {
      await sync.abandon()
      discardOutputFile(temporary)
      writing.end()
      await sweeping
    },
  }
}
