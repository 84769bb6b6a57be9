/** The automaton of a glob against a regular expression that backtracks, and patterns on which that one never ends. */
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileGlob } from './glob.ts'
import { pathOf, pathsOf } from './path-argument.ts'

/** A walk over one path, as `expandPaths` does it. */
function matches(pattern: string, path: string): boolean {
  const glob = compileGlob(pattern)
  const segments = path.split('/')
  const name = segments.pop() ?? ''
  let states = glob.start
  for (const segment of segments) states = glob.enter(states, segment, true)
  return glob.accepts(states, name)
}

type Part = string | { readonly either: readonly Part[][] }

const part: fc.Arbitrary<Part> = fc.letrec<{ part: Part }>((tie) => ({
  part: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom('a', 'b', '.', '*', '?', '[ab]', '[!a]', '[b-a]', '/', '/**/', '***'),
    fc.record({ either: fc.array(fc.array(tie('part'), { maxLength: 3 }), { minLength: 1, maxLength: 3 }) }),
  ),
})).part

const textOf = (parts: readonly Part[]): string =>
  parts.map((each) => (typeof each === 'string' ? each : `{${each.either.map(textOf).join(',')}}`)).join('')

/** What a part means without the rule of dots and of `**`. */
const expressionOf = (parts: readonly Part[]): string =>
  parts
    .map((each) => {
      if (typeof each !== 'string') return `(?:${each.either.map(expressionOf).join('|')})`
      if (each === '/**/') return '/(?:[^/]+/)*'
      if (each === '[b-a]') return '[^\\s\\S]'
      if (each === '[!a]') return '[^a/]'
      return each.replace('.', '\\.').replace(/\*+/, '[^/]*').replace('?', '[^/]')
    })
    .join('')

describe('a glob', () => {
  it('matches what its regular expression matches, without names that begin with a dot', () => {
    const paths = fc.array(fc.stringMatching(/^[abc]{1,3}$/), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), paths, (parts, segments) => {
        const pattern = textOf(parts)
        // Stars that come to stand together in a whole segment mean directories: they have tests of their own.
        fc.pre(!/\*\*/.test(pattern.replaceAll('/**/', '/').replaceAll('***', '*')) && !/^\/|\/\//.test(pattern))
        const path = segments.join('/')
        expect(matches(pattern, path), `${pattern} on ${path}`).toBe(
          new RegExp(`^${expressionOf(parts)}$`, 'u').test(path),
        )
      }),
      { numRuns: 3000 },
    )
  })

  it('asks for a dot where a name begins with one', () => {
    for (const pattern of ['*', '?x', '[.]x', '[!a]x', '**', '{*,?x}'])
      expect(matches(pattern, '.x'), pattern).toBe(false)
    for (const pattern of ['.*', '.?', '{.,a}x']) expect(matches(pattern, '.x'), pattern).toBe(true)
    expect(matches('a*', 'a.x')).toBe(true)
    expect(matches('**/x', '.git/x')).toBe(false)
  })

  it('passes directories with two stars, none and many, but no link to one', () => {
    for (const path of ['x', 'a/x', 'a/b/c/x']) expect(matches('**/x', path), path).toBe(true)
    for (const path of ['a', 'a/b', 'a/b/c']) expect(matches('**', path), path).toBe(true)
    expect(matches('a/**/b/**/x', 'a/q/b/x')).toBe(true)
    expect(matches('a/**/b/**/x', 'a/q/c/x')).toBe(false)
    const glob = compileGlob('**/x')
    expect(glob.enter(glob.start, 'link', false)).toEqual([])
    expect(compileGlob('*/x').enter(compileGlob('*/x').start, 'link', false)).not.toEqual([])
  })

  it.each([
    ['stars', `${'*a'.repeat(2000)}*b`, 'a'.repeat(255)],
    ['braces', `${'{a,b}'.repeat(2000)}x`, 'a'.repeat(255)],
    ['directories', `${'**/'.repeat(1000)}x`, `${'a/'.repeat(100)}y`],
    ['open braces', '{'.repeat(20_000), 'a'],
  ])('of many %s ends', (_what, pattern, path) => {
    expect(matches(pattern, path)).toBe(false)
  })

  it('refuses what is too deep or too long', () => {
    expect(() => compileGlob(`${'{a,'.repeat(60)}b${'}'.repeat(60)}`)).toThrow(/braces within braces 51 deep/)
    expect(() => compileGlob('*a'.repeat(40_000))).toThrow(/pattern too long/)
  })
})

describe('the argument of a scan or a sink', () => {
  it('is a path, a file URL as text, or a URL', () => {
    const path = '/data/a b#?[1].parquet'
    for (const argument of [path, pathToFileURL(path), pathToFileURL(path).href])
      expect(pathOf(argument, 'x')).toBe(path)
    expect(pathOf('relative.parquet', 'x')).toBe('relative.parquet')
    expect(pathsOf(['a', new URL('file:///b')], 'x')).toEqual(['a', '/b'])
  })

  it.each([
    ['undefined', undefined, /undefined is no path/],
    ['a number', 3, /a number is no path/],
    ['a buffer', Buffer.from('x'), /an object \(Buffer\) is no path/],
    ['an empty text', '', /is empty/],
    ['a list with a hole', Array(1), /undefined is no path/],
    ['a NUL character', 'a\0b', /NUL/],
    ['another scheme', 's3://bucket/key', /scheme "s3"/],
    ['a URL of another scheme', new URL('https://host/x'), /scheme "https"/],
    ['a URL with a query', 'file:///a?b', /%3F/],
    ['a file URL of another host', 'file://host/x', /no file URL/],
  ])('is not %s', (_what, argument, message) => {
    expect(() => pathsOf(argument, 'scanParquet')).toThrow(message)
    expect(() => pathsOf(argument, 'scanParquet')).toThrow(/^Invalid path of scanParquet/)
  })
})
