/** Optimises the plans of one query: each by the rules, and all together by what they share. */
import { childrenOf, type LogicalNode } from '@spillway/plan'
import { type OptimizeOptions, type OptimizerPass, requireRule, runRules } from './optimize.ts'
import { pruneShared } from './prune-shared.ts'
import { rules } from './rules.ts'
import { shareSubplans } from './share-subplans.ts'

/** The step that looks at all plans of a query; it comes after the rules. */
const SHARING = 'share-subplans'
/** From here on rules are about columns: what plans share is pruned for all of them together. */
const firstPruning = rules.findIndex(({ name }) => name === 'prune-columns')

/** Names that `disabled` may hold. */
export const ruleNames: readonly string[] = [...new Set(rules.map((rule) => rule.name)), SHARING]

export interface OptimizedPlans {
  readonly plans: readonly LogicalNode[]
  readonly passes: readonly OptimizerPass[]
}

/** @throws PlanError INVALID_OPTION when `disabled` names no rule. */
export function optimizeAll(roots: readonly LogicalNode[], options: OptimizeOptions = {}): OptimizedPlans {
  const disabled = new Set(options.disabled ?? [])
  for (const name of disabled) if (name !== SHARING) requireRule(name)
  const passes: OptimizerPass[] = []
  const run = (plan: LogicalNode, some: typeof rules): LogicalNode => {
    const optimized = runRules(plan, some, disabled)
    passes.push(...optimized.passes)
    return optimized.plan
  }
  const pushed = roots.map((root) => run(root, rules.slice(0, firstPruning)))
  const prune = (plan: LogicalNode): LogicalNode => run(plan, rules.slice(firstPruning))
  if (disabled.has(SHARING) || countSources(roots) < 2) return { plans: pushed.map(prune), passes }
  const start = performance.now()
  const pruned = pruneShared(pushed, prune)
  const plans = shareSubplans(pruned)
  const changed = plans.some((plan, index) => plan !== pruned[index])
  return { plans, passes: [...passes, { name: SHARING, ms: performance.now() - start, changed }] }
}

/** Of all places: what is read in one place only cannot be shared. */
function countSources(plans: readonly LogicalNode[]): number {
  return plans.reduce((count, plan) => {
    const children = childrenOf(plan)
    return count + (children.length === 0 ? 1 : countSources(children))
  }, 0)
}
