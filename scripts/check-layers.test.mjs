// The layer check finds each kind of violation, and is silent on a correct set of packages.
import { describe, expect, it } from 'vitest'
import { findCycle, importedPackages, layerProblems } from './check-layers.mjs'

const layerOf = { base: 0, left: 1, right: 1, top: 2 }
const pack = (name, dependencies, text = '', path = 'src/index.ts', devDependencies = []) => ({
  name,
  dependencies,
  devDependencies,
  files: [{ path, text }],
})

describe('importedPackages', () => {
  it('finds static, type, side-effect, re-exporting and dynamic imports', () => {
    const source = [
      "import { a } from '@spillway/plan'",
      "import type { B } from 'zod/v4'",
      "import 'left-pad'",
      "export * from '@spillway/memory/pages'",
      "const c = await import('piscina')",
      "import {\n  d,\n} from 'apache-arrow'",
    ].join('\n')
    expect([...importedPackages(source)].sort()).toEqual(
      ['@spillway/memory', '@spillway/plan', 'apache-arrow', 'left-pad', 'piscina', 'zod'].sort(),
    )
  })

  it('skips SQL that reads from a quoted path', () => {
    expect([...importedPackages("const sql = `select * from '${path}'`")]).toEqual([])
  })

  it('skips builtins, relative paths and comments', () => {
    const source =
      "import fs from 'node:fs'\nimport { x } from './x.ts'\n// import { y } from 'y'\n/* import z from 'z' */"
    expect([...importedPackages(source)]).toEqual([])
  })
})

describe('layerProblems', () => {
  it('accepts lower and same layers', () => {
    const source = "import { r } from 'right'\nimport type { B } from 'base'"
    const packages = [pack('base', []), pack('left', ['base', 'right'], source), pack('right', [])]
    expect(layerProblems(packages, layerOf)).toEqual([])
  })

  it('refuses a higher layer in package.json and in an import', () => {
    expect(layerProblems([pack('base', ['top'])], layerOf)[0]).toMatch(/layer 0 imports top of layer 2/)
    const problems = layerProblems([pack('left', [], "import { t } from 'top'")], layerOf)
    expect(problems.join('\n')).toMatch(/layer 1 imports top of layer 2/)
    expect(problems.join('\n')).toMatch(/does not declare/)
  })

  it('refuses undeclared packages, and testkit outside of tests', () => {
    expect(layerProblems([pack('base', [], "import z from 'zod'")], layerOf)).toHaveLength(1)
    const source = "import { oracle } from '@spillway/testkit'"
    expect(layerProblems([pack('base', ['@spillway/testkit'], source)], layerOf)).toHaveLength(2)
    expect(layerProblems([pack('base', [], source, 'src/a.test.ts')], layerOf)).toEqual([])
  })

  it('refuses a cycle inside one layer', () => {
    const packages = [pack('left', ['right'], "import 'right'"), pack('right', ['left'], "import 'left'")]
    const problems = layerProblems(packages, layerOf)
    expect(problems).toEqual(['packages form a cycle: left -> right -> left'])
  })

  it('refuses what is declared and not imported', () => {
    const unused = layerProblems([pack('base', ['zod'])], layerOf)
    expect(unused).toEqual(['base/package.json: declares zod, which no source imports; remove it'])
    const inTest = layerProblems([pack('base', ['zod'], "import z from 'zod'", 'src/a.test.ts')], layerOf)
    expect(inTest).toHaveLength(1)
    expect(inTest[0]).toMatch(/declares zod, which no source imports; tests do, so declare it under devDependencies/)
    const unusedByTests = layerProblems([pack('base', [], '', 'src/a.test.ts', ['zod'])], layerOf)
    expect(unusedByTests).toEqual(['base/package.json: declares zod, which no test imports; remove it'])
  })

  it('accepts under devDependencies what tests import, and refuses it in a source', () => {
    const source = "const z = await import('zod')"
    expect(layerProblems([pack('base', [], source, 'src/testing/a.ts', ['zod'])], layerOf)).toEqual([])
    const problems = layerProblems([pack('base', [], source, 'src/a.ts', ['zod'])], layerOf)
    expect(problems[0]).toMatch(/imports zod, which its package.json declares under devDependencies only/)
  })

  it('refuses a package that has no layer', () => {
    expect(layerProblems([pack('new', [])], layerOf)[0]).toMatch(/not in the layer table/)
  })
})

describe('findCycle', () => {
  it('is undefined for a diamond', () => {
    const graph = new Map([
      ['a', ['b', 'c']],
      ['b', ['d']],
      ['c', ['d']],
      ['d', []],
    ])
    expect(findCycle(graph)).toBeUndefined()
  })
})
