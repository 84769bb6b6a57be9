/** The smallest arena in which a query is admitted, found by asking for plans: its floor, in pages. */
import { type LazyFrame, type QueryOptions, SpillwayError } from 'spillway'

/**
 * Pages of `testing.budgetPages` with which a query that ends in a Parquet file starts on one thread.
 * @param testing what else the query will run with
 */
export async function leastBudgetPages(frame: LazyFrame, testing: QueryOptions['testing'] = {}): Promise<number> {
  let [refused, admitted] = [0, 8192]
  while (admitted - refused > 1) {
    const budgetPages = (refused + admitted) >> 1
    const options = { physical: true, sink: 'parquet', threads: 1, testing: { ...testing, budgetPages } } as const
    try {
      await frame.explain(options)
      admitted = budgetPages
    } catch (error) {
      if (!(error instanceof SpillwayError) || error.code !== 'MEMORY_LIMIT') throw error
      refused = budgetPages
    }
  }
  return admitted
}
