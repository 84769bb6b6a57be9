/** Optimises the plans of one query: each by the rules, then all together by what they share. */
import type { LogicalNode } from '@spillway/plan'
import { type OptimizeOptions, type OptimizerPass, optimize } from './optimize.ts'
import { rules } from './rules.ts'
import { shareSubplans } from './share-subplans.ts'

/** The step that looks at all plans of a query; it comes after the rules. */
const SHARING = 'share-subplans'

/** Names that `disabled` may hold. */
export const ruleNames: readonly string[] = [...new Set(rules.map((rule) => rule.name)), SHARING]

export interface OptimizedPlans {
  readonly plans: readonly LogicalNode[]
  readonly passes: readonly OptimizerPass[]
}

/** @throws PlanError INVALID_OPTION when `disabled` names no rule. */
export function optimizeAll(roots: readonly LogicalNode[], options: OptimizeOptions = {}): OptimizedPlans {
  const disabled = options.disabled ?? []
  const ownRules = { disabled: disabled.filter((name) => name !== SHARING) }
  const optimized = roots.map((root) => optimize(root, ownRules))
  const plans = optimized.map(({ plan }) => plan)
  const passes = optimized.flatMap((each) => each.passes)
  if (disabled.includes(SHARING)) return { plans, passes }
  const start = performance.now()
  const shared = shareSubplans(plans)
  const changed = shared.some((plan, index) => plan !== plans[index])
  return { plans: shared, passes: [...passes, { name: SHARING, ms: performance.now() - start, changed }] }
}
