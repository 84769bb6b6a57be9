/** `collect`: gathers the batches of a query into a DataFrame. Buffers are moved, not copied, unless they are small. */
import { type CollectOutput, noEncoder } from '@spillway/engine'
import { type PackedColumns, packTable } from '@spillway/columnar'
import type { LogicalNode, SchemaTypes } from '@spillway/plan'
import { type DataFrame, dataFrameFromTable } from '../data-frame/data-frame.ts'
import type { QuerySession } from '../session.ts'
import { collectAll } from './collect-sinks.ts'
import type { QueryOutput } from './query-outputs.ts'

export function frameOutput<S extends SchemaTypes>(
  plan: LogicalNode,
  session: QuerySession,
): QueryOutput<DataFrame<S>> {
  const batches: { readonly sequence: number; readonly packed: PackedColumns }[] = []
  return {
    root: {
      plan,
      makeSink: collectAll,
      onOutput: (output) => {
        const { sequence, packed } = output as CollectOutput & { kind: 'batch' }
        batches.push({ sequence, packed })
      },
    },
    keepsResults: true,
    file: undefined,
    encoder: noEncoder,
    begin: () => {},
    admitted: () => {},
    complete: () => Promise.resolve(),
    finish: (metrics) => {
      // A worker sends the batches of a morsel in order, and the sort is stable: morsels are all that is out of order.
      batches.sort((a, b) => a.sequence - b.sequence)
      const table = packTable(
        plan.schema,
        batches.map(({ packed }) => packed),
      )
      return dataFrameFromTable<S>(table, session, metrics)
    },
    committed: () => {},
    discard: () => Promise.resolve(),
  }
}
