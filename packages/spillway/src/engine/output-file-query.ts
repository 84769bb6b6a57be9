/** Runs a query into one file: workers write pieces under a temporary name; this adds the tail and renames. */
import { resolve } from 'node:path'
import type { EncoderNeed, EngineCore, QueryOptions, RootSink, SinkFileOutput, Sizing } from '@spillway/engine'
import {
  beginOutputFile,
  discardOutputFile,
  endOutputFile,
  type FileTail,
  finishOutputFile,
  outputCalls,
  temporaryOutputPath,
} from '@spillway/formats'
import type { LogicalNode } from '@spillway/plan'
import { queryCounter } from '@spillway/scheduler'
import type { SinkResult } from '../session.ts'

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

export async function writeOutputFile<F>(
  core: EngineCore,
  path: string,
  format: OutputFormat<F>,
  query: QueryOptions,
): Promise<SinkResult> {
  const target = resolve(path)
  const temporary = temporaryOutputPath(target)
  const pieces: SinkFileOutput<F>[] = []
  const calls = outputCalls(query.testing.outputFault)
  try {
    beginOutputFile(temporary, format.header, calls)
    const metrics = await core.execute({
      plan: format.plan,
      options: query,
      makeSink: format.makeSink(temporary),
      keepsResults: false,
      encoder: format.encoder,
      onAdmitted: ({ slot, control }) => {
        control.count(slot, queryCounter.sinkOffset, format.header.length)
      },
      onOutput: (output) => {
        pieces.push(output as SinkFileOutput<F>)
      },
    })
    pieces.sort((a, b) => a.sequence - b.sequence)
    const { rowsOut } = metrics
    const bytes = endOutputFile(temporary, format.tail(pieces, rowsOut), calls)
    finishOutputFile(temporary, target, calls)
    return { path: target, rowCount: rowsOut, bytes, metrics }
  } catch (error) {
    discardOutputFile(temporary)
    throw error
  }
}
