/**
 * Guard: the rows of `input`, once it is known that `violations` has none. That one runs first, and its first row ends
 * the query with JOIN_KEYS_NOT_UNIQUE. What happens to the rows above a guard does not change what it checks.
 */
import { assert } from '@spillway/stdx'
import type { Guard, LogicalNode, UniqueCheck } from '../logical-node.ts'
import type { NodeDef } from '../node-def.ts'

/** @param violations the keys that occur more than once, in the order of `check.keys`, then how often (int64) */
export function makeGuard(input: LogicalNode, violations: LogicalNode, check: UniqueCheck): Guard {
  assert(violations.schema.fields.length === check.keys.length + 1, 'violations are keys and a number of rows')
  const { side, keys, validate } = check
  const frozen = Object.freeze({ side, keys: Object.freeze([...keys]), validate })
  return Object.freeze({ kind: 'guard', input, violations, check: frozen, schema: input.schema })
}

export const guard: NodeDef<Guard> = {
  childrenOf: (node) => [node.input, node.violations],
  withChildren: (node, children) => {
    const [input, violations] = children
    assert(input !== undefined && violations !== undefined && children.length === 2, 'a guard has two inputs')
    return makeGuard(input, violations, node.check)
  },
  explain: ({ check }) => `REQUIRE UNIQUE ${check.side} [${check.keys.join(', ')}]`,
}
