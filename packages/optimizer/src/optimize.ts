/**
 * Runs the rules over a plan, in the one order of rules.ts, each timed and each can be switched off.
 */
import { typeEquals } from '@spillway/columnar'
import type { LogicalNode } from '@spillway/plan'
import { assert, makeError } from '@spillway/stdx'
import type { Rule } from './rule.ts'
import { rules } from './rules.ts'

export interface OptimizeOptions {
  /** Names of rules (see rules.ts) that are not run. */
  readonly disabled?: readonly string[]
}

/** One run of one rule. */
export interface OptimizerPass {
  readonly name: string
  readonly ms: number
  readonly changed: boolean
}

export interface OptimizedPlan {
  readonly plan: LogicalNode
  readonly passes: readonly OptimizerPass[]
}

/**
 * Rewrites a plan into one that gives the same rows and reads and computes less.
 * @throws PlanError INVALID_OPTION when `disabled` names no rule.
 */
export function optimize(root: LogicalNode, options: OptimizeOptions = {}): OptimizedPlan {
  const disabled = new Set(options.disabled ?? [])
  for (const name of disabled) requireRule(name)
  return runRules(root, rules, disabled)
}

/** Some of the rules, in their order. */
export function runRules(root: LogicalNode, some: readonly Rule[], disabled: ReadonlySet<string>): OptimizedPlan {
  const passes: OptimizerPass[] = []
  let plan = root
  for (const rule of some) {
    if (disabled.has(rule.name)) continue
    const start = performance.now()
    const next = rule.apply(plan)
    assertSameColumns(plan, next, rule.name)
    passes.push({ name: rule.name, ms: performance.now() - start, changed: next !== plan })
    plan = next
  }
  return { plan, passes }
}

/** Names, types and their order are what the user asked for; only `nullable` may become more precise. */
function assertSameColumns(before: LogicalNode, after: LogicalNode, ruleName: string): void {
  if (before === after) return
  const left = before.schema.fields
  const right = after.schema.fields
  const isSame = left.every(({ name, type }, index) => {
    const other = right[index]
    return other !== undefined && other.name === name && typeEquals(other.type, type)
  })
  assert(isSame && left.length === right.length, `rule ${ruleName} keeps the columns of the plan`)
}

/** @throws PlanError INVALID_OPTION */
export function requireRule(name: string): Rule {
  const rule = rules.find((candidate) => candidate.name === name)
  if (rule !== undefined) return rule
  const known = rules.map((candidate) => candidate.name).join(', ')
  throw makeError('INVALID_OPTION', `Unknown optimizer rule: "${name}". Known rules: ${known}.`, { rule: name })
}
