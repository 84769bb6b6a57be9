// Each tidy rule finds its breach, and the ratchet lets figures shrink only.
import { describe, expect, it } from 'vitest'
import { breachesOf, compareWithBaseline, hasHeader, longFunctions } from './tidy.mjs'

const HEADER = '// Holds one idea, described here.\n'
const rulesOf = (path, text) => breachesOf(path, text).map(({ rule }) => rule)

describe('breachesOf', () => {
  it('is silent on a tidy file', () => {
    expect(rulesOf('packages/plan/src/expr-node.ts', `${HEADER}export const one = 1\n`)).toEqual([])
  })

  it('finds long files, long lines and missing headers', () => {
    expect(rulesOf('a/long-file.ts', HEADER + 'export {}\n'.repeat(500))).toEqual(['file'])
    expect(rulesOf('a/exact-file.ts', HEADER + 'export {}\n'.repeat(499))).toEqual([])
    expect(rulesOf('a/wide.ts', `${HEADER}const a = '${'x'.repeat(120)}'\n`)).toEqual(['line'])
    expect(rulesOf('a/bare.ts', 'const a = 1\nconsole.log(a)\n')).toEqual(['header'])
  })

  it('finds banned file names and words', () => {
    expect(rulesOf('a/string-utils.ts', HEADER)).toEqual(['name'])
    expect(rulesOf('a/CamelCase.ts', HEADER)).toEqual(['name'])
    expect(rulesOf('a/b.ts', `${HEADER}// ${'TO' + 'DO'}: later\n`)).toEqual(['word'])
    expect(rulesOf('packages/plan/src/b.ts', `${HEADER}throw new ${'Error'}('x')\n`)).toEqual(['word'])
    expect(rulesOf('packages/plan/src/b.test.ts', `${HEADER}throw new ${'Error'}('x')\n`)).toEqual([])
  })

  it('wants one title per Markdown page and does not count shell comments in code', () => {
    expect(rulesOf('docs/a.md', '# A\n\n```sh\n# not a title\n```\n')).toEqual([])
    expect(rulesOf('docs/a.md', '# A\n\n# B\n')).toEqual(['title'])
    expect(rulesOf('docs/a.md', 'no title\n')).toEqual(['title'])
  })
})

describe('longFunctions', () => {
  it('measures functions, methods and arrows, but not test suites', () => {
    const body = '  work()\n'.repeat(70)
    expect(longFunctions('a.ts', `function wide() {\n${body}}\n`)).toEqual([{ name: 'wide', line: 1, length: 72 }])
    expect(longFunctions('a.ts', `const arrow = () => {\n${body}}\n`)).toHaveLength(1)
    expect(longFunctions('a.ts', `class A {\n  method() {\n${body}  }\n}\n`)).toHaveLength(1)
    expect(longFunctions('a.ts', `describe('x', () => {\n${body}})\n`)).toEqual([])
  })
})

describe('hasHeader', () => {
  it('accepts line and block comments, also after a shebang', () => {
    expect(hasHeader('// Says what it holds.\n')).toBe(true)
    expect(hasHeader('/**\n * Says what it holds.\n */\n')).toBe(true)
    expect(hasHeader('#!/usr/bin/env node\n// Says what it holds.\n')).toBe(true)
    expect(hasHeader("import a from 'a'\n// Too late to say it.\n")).toBe(false)
  })
})

describe('compareWithBaseline', () => {
  const breach = (figure) => ({ rule: 'file', key: 'file a.ts', figure, message: 'a.ts' })

  it('lets a known breach stand, refuses growth and reports improvement', () => {
    expect(compareWithBaseline([breach(600)], { 'file a.ts': 600 })).toMatchObject({ grown: [], stale: [] })
    expect(compareWithBaseline([breach(601)], { 'file a.ts': 600 }).grown).toHaveLength(1)
    expect(compareWithBaseline([breach(550)], { 'file a.ts': 600 }).stale).toEqual(['file a.ts'])
    expect(compareWithBaseline([breach(510)], {}).grown).toHaveLength(1)
    expect(compareWithBaseline([], { 'file a.ts': 600 }).stale).toEqual(['file a.ts'])
  })
})
