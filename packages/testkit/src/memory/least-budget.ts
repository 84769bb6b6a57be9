/** The smallest arena in which a query is admitted, found by asking for plans: its floor, in pages. */
import { type ExplainOptions, type LazyFrame, type QueryOptions, SpillwayError } from 'spillway'

/** How the query will run; by default it ends in a Parquet file, on one thread. */
export interface BudgetOptions {
  readonly sink?: 'parquet' | 'collect'
  readonly threads?: number
  readonly testing?: QueryOptions['testing']
}

/** More than the floor of any query here. */
const MOST_PAGES = 8192

/** Pages of `testing.budgetPages` with which a query starts; with one less it is refused. Nothing runs. */
export async function leastBudgetPages(frame: LazyFrame, options: BudgetOptions = {}): Promise<number> {
  const { sink = 'parquet', threads = 1, testing = {} } = options
  let [refused, admitted] = [0, MOST_PAGES]
  while (admitted - refused > 1) {
    const budgetPages = (refused + admitted) >> 1
    const asked: ExplainOptions = { physical: true, sink, threads, testing: { ...testing, budgetPages } }
    try {
      await frame.explain(asked)
      admitted = budgetPages
    } catch (error) {
      if (!(error instanceof SpillwayError) || error.code !== 'MEMORY_LIMIT') throw error
      refused = budgetPages
    }
  }
  return admitted
}
