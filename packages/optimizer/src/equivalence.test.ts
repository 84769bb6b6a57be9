/**
 * Optimised plans give the same rows in the same order, or the same error, as the plans they were made from: random
 * plans, evaluated naively. Every rule is tried alone, and all together.
 */
import { explainPlan, type LogicalNode } from '@spillway/plan'
import { describe, expect, it } from 'vitest'
import { optimize } from './optimize.ts'
import { rules } from './rules.ts'
import { Raised, type Row } from './testing/naive-expr.ts'
import { type NaiveSources, run } from './testing/naive-plan.ts'
import { PlanGenerator } from './testing/random-plan.ts'

const PLANS = 1500
const names = [...new Set(rules.map((rule) => rule.name))]

/** Bit-exact text of the rows, or the fact that the plan raises. */
function outcome(plan: LogicalNode, sources: NaiveSources): string {
  try {
    const rows = run(plan, sources)
    return rows
      .map((row: Row) =>
        Object.entries(row)
          .map(([name, value]) => cellText(name, value))
          .join(' '),
      )
      .join('\n')
  } catch (error) {
    if (error instanceof Raised) return 'raised'
    throw error
  }
}

const cellText = (name: string, value: unknown) =>
  `${name}=${typeof value}:${Object.is(value, -0) ? '-0' : String(value)}`

function check(disabled: readonly string[]): { changed: number; raised: number } {
  const counts = { changed: 0, raised: 0 }
  for (let seed = 1; seed <= PLANS; seed++) {
    const generator = new PlanGenerator(seed)
    const plan = generator.plan()
    const optimized = optimize(plan, { disabled }).plan
    const expected = outcome(plan, generator.sources)
    if (expected === 'raised') counts.raised += 1
    if (optimized === plan) continue
    counts.changed += 1
    const context = `seed ${seed}\n${explainPlan(plan)}\n\n${explainPlan(optimized)}`
    expect(`${outcome(optimized, generator.sources)}\n${context}`).toBe(`${expected}\n${context}`)
  }
  return counts
}

describe('optimised plans mean the same', () => {
  it('all rules', () => {
    const { changed, raised } = check([])
    // The generator must reach what it is there for.
    expect(changed).toBeGreaterThan(PLANS / 2)
    expect(raised).toBeGreaterThan(PLANS / 20)
    expect(raised).toBeLessThan(PLANS / 2)
  })

  for (const name of names) {
    it(`${name} alone`, () => {
      expect(check(names.filter((other) => other !== name)).changed).toBeGreaterThan(0)
    })
  }
})
