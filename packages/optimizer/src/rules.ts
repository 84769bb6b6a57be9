/** The one ordered list of rules. A rule may stand in it twice: what comes between gives it new work. */
import type { Rule } from './rule.ts'
import { dropIdentityProjects } from './rules/drop-identity-projects.ts'
import { flattenConcats } from './rules/flatten-concats.ts'
import { foldConstants } from './rules/fold-constants.ts'
import { mergeProjects } from './rules/merge-projects.ts'
import { pruneColumns } from './rules/prune-columns.ts'
import { pushPredicates } from './rules/push-predicates.ts'
import { pushSlices } from './rules/push-slices.ts'

export const rules: readonly Rule[] = [
  flattenConcats,
  foldConstants,
  pushPredicates,
  // Conditions on columns that a projection set to a literal can be folded only now.
  foldConstants,
  pushSlices,
  mergeProjects,
  pruneColumns,
  // Without the columns that nobody reads, more projections can be merged.
  mergeProjects,
  dropIdentityProjects,
]
