/**
 * Golden plans: golden/<name>.query.ts gives a plan, golden/<name>.plan.txt holds it before and after optimisation.
 * `UPDATE_GOLDEN=1` writes the texts anew; read their diff.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { explainPlan } from '@spillway/plan'
import { describe, expect, it } from 'vitest'
import type { Frame } from './golden/frame.ts'
import { optimize } from './optimize.ts'
import { rules } from './rules.ts'

const folder = new URL('./golden/', import.meta.url)
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.query.ts'))
  .map((file) => file.slice(0, -'.query.ts'.length))
const ruleNames = [...new Set(rules.map((rule) => rule.name))]

describe('golden plans', () => {
  for (const name of names) {
    it(name, async () => {
      const { query } = (await import(new URL(`${name}.query.ts`, folder).href)) as { query: Frame }
      const { plan } = optimize(query.plan)
      const text = `-- before\n${explainPlan(query.plan)}\n\n-- after\n${explainPlan(plan)}\n`
      const file = new URL(`${name}.plan.txt`, folder)
      if (process.env['UPDATE_GOLDEN'] === '1' || !existsSync(file)) writeFileSync(file, text)
      expect(text).toBe(readFileSync(file, 'utf8'))
      // Optimising once more finds nothing, and says so by identity.
      expect(optimize(plan).plan).toBe(plan)
      expect(optimize(query.plan, { disabled: ruleNames }).plan).toBe(query.plan)
    })
  }

  it('reports every pass', async () => {
    const { query } = (await import(new URL('count-only.query.ts', folder).href)) as { query: Frame }
    const { passes } = optimize(query.plan, { disabled: ['push-slices'] })
    expect(passes.map((pass) => pass.name)).toEqual(
      rules.map((rule) => rule.name).filter((name) => name !== 'push-slices'),
    )
    expect(passes.filter((pass) => pass.changed).map((pass) => pass.name)).toEqual(['prune-columns'])
    expect(() => optimize(query.plan, { disabled: ['push-slice'] })).toThrow('Unknown optimizer rule: "push-slice".')
  })
})
