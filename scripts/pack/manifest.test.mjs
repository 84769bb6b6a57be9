// The published manifest names nothing of the workspace, and pages lead to the repository from wherever they are read.
import { describe, expect, it } from 'vitest'
import { absoluteLinks, publishedManifest } from './manifest.mjs'

const workspace = {
  name: 'spillway',
  version: '1.2.3',
  license: 'MIT',
  private: false,
  scripts: { prepack: 'node pack.mjs' },
  dependencies: { '@spillway/plan': 'workspace:*', 'apache-arrow': '21.2.0', zod: '4.6.7' },
}

describe('publishedManifest', () => {
  it('depends on what is not inside, in any compatible version', () => {
    const manifest = publishedManifest(workspace, ['apache-arrow'], [])
    expect(manifest.dependencies).toEqual({ 'apache-arrow': '^21.2.0' })
    expect(JSON.stringify(manifest)).not.toMatch(/workspace|@spillway|scripts|zod/)
  })

  it('refuses a package that is outside and not declared', () => {
    expect(() => publishedManifest(workspace, ['left-pad'], [])).toThrow(/left-pad/)
  })

  it('leads to files that are in the package, types first', () => {
    const { main, module, types, exports, files } = publishedManifest(workspace, [], ['spillway.js', 'spillway.cjs'])
    const entries = [exports['.'].import, exports['.'].require]
    const named = [main, module, types, ...entries.flatMap((entry) => Object.values(entry))]
    expect(named.filter((path) => !files.includes(path.slice(2)))).toEqual([])
    expect(entries.map((entry) => Object.keys(entry)[0])).toEqual(['types', 'types'])
  })
})

describe('absoluteLinks', () => {
  it('changes links into the repository, and no others', () => {
    const text = '[a](docs/a.md) [b](#b) [c](https://example.org/c) [d](../LICENSE#x)'
    const base = 'https://example.org/us/it/blob/main'
    expect(absoluteLinks(text, 'git+https://example.org/us/it.git', 'docs/')).toBe(
      `[a](${base}/docs/docs/a.md) [b](#b) [c](https://example.org/c) [d](${base}/LICENSE#x)`,
    )
  })
})
