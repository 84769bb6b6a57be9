/** What an optimizer rule is: a pure function from plan to plan, with its picture. */
import type { LogicalNode } from '@spillway/plan'

export interface Rule {
  /** Stable name, kebab-case: `disabled` options and metrics use it. */
  readonly name: string
  /** A plan the rule changes, as a sketch. */
  readonly before: string
  /** What it becomes. */
  readonly after: string
  /** Returns the very same object when nothing changed. */
  readonly apply: (root: LogicalNode) => LogicalNode
}
