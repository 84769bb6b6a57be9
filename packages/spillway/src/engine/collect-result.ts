/** `collect`: gathers the batches of a query into a DataFrame. Buffers are moved, not copied, unless they are small. */
import { type CollectOutput, type EngineCore, noEncoder, type QueryOptions } from '@spillway/engine'
import { type PackedColumns, packTable } from '@spillway/columnar'
import type { LogicalNode, SchemaTypes } from '@spillway/plan'
import { type DataFrame, dataFrameFromTable } from '../data-frame/data-frame.ts'
import type { QuerySession } from '../session.ts'
import { collectAll } from './collect-sinks.ts'

export async function collectResult<S extends SchemaTypes>(
  core: EngineCore,
  plan: LogicalNode,
  options: QueryOptions,
  session: QuerySession,
): Promise<DataFrame<S>> {
  const batches: { readonly sequence: number; readonly packed: PackedColumns }[] = []
  const metrics = await core.execute({
    plan,
    options,
    makeSink: collectAll,
    keepsResults: true,
    encoder: noEncoder,
    onAdmitted: () => {},
    onOutput: (output) => {
      const { sequence, packed } = output as CollectOutput & { kind: 'batch' }
      batches.push({ sequence, packed })
    },
  })
  // A worker sends the batches of a morsel in order, and the sort is stable: morsels are all that is out of order.
  batches.sort((a, b) => a.sequence - b.sequence)
  const table = packTable(
    plan.schema,
    batches.map(({ packed }) => packed),
  )
  return dataFrameFromTable<S>(table, session, metrics)
}
