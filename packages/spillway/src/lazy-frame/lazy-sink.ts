/** A file that `collectAll` writes: what a file sink gives with `lazy: true` instead of running. */
import type { LogicalNode } from '@spillway/plan'
import type { PlanOutput, QueryOptions, QuerySession, SinkResult, SinkTarget } from '../session.ts'

export class LazySink {
  readonly plan: LogicalNode
  readonly session: QuerySession
  readonly target: SinkTarget

  /** Made by `sinkParquet` and `sinkIpc` of a lazy frame. */
  constructor(plan: LogicalNode, session: QuerySession, target: SinkTarget) {
    this.plan = plan
    this.session = session
    this.target = target
  }

  /** Runs the query into the file. @throws as `collect`, and OUTPUT_FAILED */
  async collect(options: QueryOptions = {}): Promise<SinkResult> {
    const output: PlanOutput = { plan: this.plan, target: this.target }
    const [result] = await this.session.runAll([output], options)
    return result as SinkResult
  }
}
