// Style rules that a formatter cannot check: sizes of files, functions and lines, header comments, banned names and
// words, one title per Markdown page. Known breaches stand in tidy-baseline.json and may shrink but never grow.
// Flags: --update rewrites the baseline (only to smaller figures unless --force is given too).
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { isSource, listFiles } from './source-files.mjs'

export const limits = { fileLines: 500, functionLines: 70, lineColumns: 120 }

/** Words of file names that say nothing about the content. */
const BANNED_NAME_WORDS = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'stuff', 'manager'])

/** Each entry: a pattern and what to write instead. Built from pieces, so that this file does not match itself. */
const BANNED_WORDS = [
  [new RegExp(`\\b(${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')})\\b`), 'open an issue, or do it now'],
  [new RegExp(`\\b${['ts', 'ignore'].join('-')}\\b`), 'use a typed escape with a reason'],
  [new RegExp(`\\b(describe|it|test)\\.${'only'}\\(`), 'remove .only before committing'],
  [new RegExp(`\\b(describe|it|test)\\.${'skip'}\\(`), 'give the reason in the variant file instead'],
  [new RegExp(`^\\s*(export\\s+)?(const\\s+)?${'enum'}\\s+\\w+`), 'use a union of string literals'],
  [new RegExp(`\\bthrow new ${'Error'}\\(`), 'use makeError with a code'],
]

/** Lines of a text without counting the empty piece after the last newline. */
function linesOf(text) {
  const lines = text.split('\n')
  if (lines[lines.length - 1] === '') lines.pop()
  return lines
}

/** Functions longer than the limit: { name, line, length }. Suites of tests (`describe` callbacks) are exempt. */
export function longFunctions(path, text, limit = limits.functionLines) {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found = []
  const visit = (node) => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const start = file.getLineAndCharacterOfPosition(node.getStart(file)).line
      const end = file.getLineAndCharacterOfPosition(node.end).line
      const parent = node.parent
      const isSuite = ts.isCallExpression(parent) && /^describe\b/.test(parent.expression.getText(file))
      if (end - start + 1 > limit && !isSuite) {
        const name = node.name?.getText(file) ?? parent.name?.getText?.(file) ?? 'anonymous'
        found.push({ name, line: start + 1, length: end - start + 1 })
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** True when the file opens with a comment that says what it holds (a shebang line may come first). */
export function hasHeader(text) {
  return /^(#![^\n]*\n)?\s*(\/\/ ?\S.{9,}|\/\*\*?\s*\n?\s*\*? ?\S.{9,})/.test(text)
}

/**
 * All breaches of one file: { rule, key, figure, message }. `figure` is what the baseline may not let grow.
 * `key` names the breach without line numbers, so that it survives edits above it.
 */
export function breachesOf(path, text) {
  const breaches = []
  const add = (rule, detail, figure, message) => {
    breaches.push({
      rule,
      key: `${rule} ${path}${detail === '' ? '' : ` ${detail}`}`,
      figure,
      message: `${path}${message}`,
    })
  }
  const base = path.split('/').pop() ?? path
  for (const word of base.toLowerCase().split(/[.-]/)) {
    if (BANNED_NAME_WORDS.has(word)) add('name', '', 1, `: "${word}" in a file name says nothing; name the idea`)
  }
  const lines = linesOf(text)
  if (path.endsWith('.md')) {
    const prose = text.replace(/^```[\s\S]*?^```/gm, '')
    const titles = linesOf(prose).filter((line) => /^# /.test(line)).length
    if (titles !== 1) add('title', '', 1, `: ${titles} titles; a page has exactly one`)
    return breaches
  }
  if (!isSource(path)) return breaches
  if (/[A-Z_]/.test(base)) add('name', '', 1, ': file names are kebab-case')
  if (lines.length > limits.fileLines)
    add('file', '', lines.length, `: ${lines.length} lines (max ${limits.fileLines})`)
  const isFace = base === 'index.ts' && /^(\s*(export|\/\/|\*|\/\*|\}|[\w, ]+,?$).*|\s*)*$/m.test(text)
  if (!hasHeader(text) && !isFace) add('header', '', 1, ': no header comment that says what the file holds')
  for (const { name, line, length } of longFunctions(path, text)) {
    add('function', name, length, `:${line}: function ${name} has ${length} lines (max ${limits.functionLines})`)
  }
  let longLines = 0
  const isTest = /\.test\.(ts|mjs)$|\/testing\//.test(path)
  for (const [index, line] of lines.entries()) {
    if (line.length > limits.lineColumns && !/https?:\/\//.test(line)) longLines++
    for (const [pattern, advice] of BANNED_WORDS) {
      const exempt =
        (advice.startsWith('use makeError') &&
          (isTest || !path.startsWith('packages/') || path.startsWith('packages/testkit/'))) ||
        // The AssemblyScript compiler knows decorators on functions; editors need to be told to look away.
        (advice.startsWith('use a typed escape') && path.includes('/assembly/'))
      if (!exempt && pattern.test(line)) add('word', `${pattern.source}`, 1, `:${index + 1}: banned: ${advice}`)
    }
  }
  if (longLines > 0) add('line', '', longLines, `: ${longLines} lines over ${limits.lineColumns} columns`)
  return breaches
}

/** Compares breaches with the baseline: what is new or grew, and what the baseline still lists though it is gone. */
export function compareWithBaseline(breaches, baseline) {
  const figures = new Map()
  for (const { key, figure } of breaches) figures.set(key, Math.max(figures.get(key) ?? 0, figure))
  const grown = breaches.filter(({ key, figure }) => figure > (baseline[key] ?? 0))
  const stale = Object.keys(baseline).filter((key) => (figures.get(key) ?? 0) < baseline[key])
  return { grown, stale, figures }
}

function main() {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  const baselinePath = join(root, 'scripts/tidy-baseline.json')
  const baseline = existsSync(baselinePath) ? JSON.parse(readFileSync(baselinePath, 'utf8')) : {}
  const breaches = listFiles(root)
    .filter((path) => isSource(path) || path.endsWith('.md'))
    .flatMap((path) => breachesOf(path, readFileSync(join(root, path), 'utf8')))
  const { grown, stale, figures } = compareWithBaseline(breaches, baseline)
  if (process.argv.includes('--update') && (grown.length === 0 || process.argv.includes('--force'))) {
    const sorted = Object.fromEntries([...figures].sort(([a], [b]) => (a < b ? -1 : 1)))
    writeFileSync(baselinePath, `${JSON.stringify(sorted, null, 2)}\n`)
    console.log(`tidy: baseline written with ${figures.size} entries`)
    return 0
  }
  for (const { rule, message } of grown) console.error(`tidy: ${rule}: ${message}`)
  for (const key of stale) console.error(`tidy: baseline: "${key}" got better; run node scripts/tidy.mjs --update`)
  console.log(`tidy: ${grown.length + stale.length} problems, ${Object.keys(baseline).length} known breaches`)
  return grown.length + stale.length === 0 ? 0 : 1
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) process.exit(main())
