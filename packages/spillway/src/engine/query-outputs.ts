/**
 * What a query ends in: rows in memory or files, one or several. All outputs of a query are begun before it runs and
 * finished after all of it ran; when anything fails, every one of them is discarded. Files get their names at the very
 * end, all or none (formats/src/output/commit-outputs.ts).
 */
import type {
  AdmittedQuery,
  EncoderNeed,
  EngineCore,
  PhysicalRoot,
  QueryMetrics,
  QueryOptions,
  QueryRoot,
  Sizing,
} from '@spillway/engine'
import { type CompleteFile, commitOutputFiles, outputCalls } from '@spillway/formats'
import { assert } from '@spillway/stdx'

export interface QueryOutput<R> {
  readonly root: QueryRoot
  /** The result stays with the process until the query returns. */
  readonly keepsResults: boolean
  /** What encoding needs on each worker. */
  readonly encoder: (sizing: Sizing) => EncoderNeed
  begin(): void
  /** The query has its slot; no worker has started. */
  admitted(query: AdmittedQuery, outputIndex: number): void
  /** All rows are there. */
  complete(metrics: QueryMetrics, root: PhysicalRoot): Promise<void>
  /** What gets its name when all outputs are complete. */
  readonly file: CompleteFile | undefined
  /** All outputs are complete, and files still have temporary names. */
  finish(metrics: QueryMetrics): R
  /** All files have their names. */
  committed(): void
  /** Also after a failed `begin`, `complete` or `finish`, and when not all files got their names. */
  discard(): Promise<void>
}

/** Runs one query for all outputs. @returns their results, in order */
export async function runOutputs<R>(
  core: EngineCore,
  outputs: readonly QueryOutput<R>[],
  options: QueryOptions,
): Promise<R[]> {
  let roots: readonly PhysicalRoot[] = []
  try {
    for (const output of outputs) output.begin()
    const metrics = await core.execute({
      roots: outputs.map(({ root }) => root),
      options,
      keepsResults: outputs.some(({ keepsResults }) => keepsResults),
      encoder: (sizing) => ({ heapBytes: outputs.reduce((sum, { encoder }) => sum + encoder(sizing).heapBytes, 0) }),
      onAdmitted: (query) => {
        roots = query.roots
        outputs.forEach((output, index) => {
          output.admitted(query, index)
        })
      },
    })
    for (const [index, output] of outputs.entries()) {
      const root = roots[index]
      assert(root !== undefined, 'a query has as many ends as outputs')
      await output.complete(metrics, root)
    }
    const results = outputs.map((output) => output.finish(metrics))
    const files = outputs.flatMap(({ file }) => (file === undefined ? [] : [file]))
    commitOutputFiles(files, outputCalls(options.testing.outputFault))
    for (const output of outputs) output.committed()
    return results
  } catch (error) {
    for (const output of outputs) await output.discard()
    throw error
  }
}

export async function runOutput<R>(core: EngineCore, output: QueryOutput<R>, options: QueryOptions): Promise<R> {
  const [result] = await runOutputs(core, [output], options)
  assert(result !== undefined, 'an output has a result')
  return result
}
