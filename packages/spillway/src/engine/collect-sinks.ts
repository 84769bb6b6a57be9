/** The sinks of `collect` and `collectBatches`. */
import { type CollectSpec, type RootSink, sizeCollect } from '@spillway/engine'
import { WorkspaceSize } from '@spillway/memory'

/** Everything is held. */
export const collectAll: RootSink = ({ operatorId, sinkId, schema, batchRows }) => ({
  kind: 'collect',
  ...{ operatorId, sinkId, schema, batchRows },
  mode: 'all',
  tokensMax: 0,
  gatherRows: 0,
  batchBytesMax: Number.POSITIVE_INFINITY,
})

/** Rows that workers put together for one batch at most, best first; 0 = batches leave as the engine makes them. */
const GATHER_ROWS = [65_536, 32_768, 16_384, 8192, 0]

/** A bounded number of batches is on its way. */
export function collectStream(tokensMax: number, batchBytesMax: number): RootSink {
  return ({ operatorId, sinkId, schema, batchRows, sizing }) => {
    const spec: CollectSpec = {
      kind: 'collect',
      ...{ operatorId, sinkId, schema, batchRows, tokensMax, batchBytesMax },
      mode: 'stream',
      gatherRows: 0,
    }
    const bytesOf = (gatherRows: number): number => {
      const size = new WorkspaceSize()
      sizeCollect({ ...spec, gatherRows }, size)
      return size.bytes
    }
    const gatherRows = GATHER_ROWS.find((rows) => bytesOf(rows) <= sizing.output.encoderBytes) ?? 0
    return { ...spec, gatherRows }
  }
}
