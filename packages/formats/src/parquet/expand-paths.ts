/**
 * From what a user names to the files it stands for: a file, a directory (its files of the format), or a glob with
 * `*`, `**` (any directories), `?`, `[a-z]`, `[!a]` and `{a,b}`. Names that begin with a dot need a dot in the pattern.
 */
import { readdirSync, statSync } from 'node:fs'
import type { Dirent, Stats } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { makeError } from '@spillway/stdx'
import { fileError } from './file-access.ts'

/** Files of one format. */
export interface FileKind {
  readonly name: string
  /** Of the files that a directory stands for, with their dots. */
  readonly extensions: readonly string[]
}

/**
 * Absolute paths, in the order of `paths`; the files of one directory or glob are sorted by code unit.
 * @throws DataError FILE_NOT_FOUND when a name stands for no file, FILE_UNREADABLE
 */
export function expandPaths(paths: readonly string[], kind: FileKind): string[] {
  return paths.flatMap((path) => {
    const files = expandPath(resolve(path), kind.extensions)
    if (files.length > 0) return files
    const message = `File not found: no ${kind.name} file matches "${path}". Check the path or the glob.`
    throw makeError('FILE_NOT_FOUND', message, { file: path })
  })
}

function expandPath(path: string, extensions: readonly string[]): string[] {
  // A file whose name has glob characters is still a file.
  const found = findStat(path)
  if (found?.isDirectory() === true) {
    return listDirectory(path)
      .filter(({ name }) => extensions.some((each) => name.endsWith(each)) && !name.startsWith('.'))
      .map((entry) => join(path, entry.name))
      .filter((file) => findStat(file)?.isDirectory() === false)
      .sort()
  }
  if (found !== undefined) return [path]
  if (!/[*?[{]/.test(path)) return []
  const matches = expandBraces(path).flatMap((pattern) => {
    const [root = '', ...segments] = pattern.split(sep)
    return walk(root === '' ? sep : root + sep, segments)
  })
  return [...new Set(matches)].sort()
}

function findStat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (cause) {
    const error = fileError(path, cause)
    if (error.code === 'FILE_NOT_FOUND') return undefined
    throw error
  }
}

function listDirectory(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (cause) {
    const error = fileError(path, cause)
    if (error.code === 'FILE_NOT_FOUND') return []
    throw error
  }
}

/** Files below `directory` that match the rest of a pattern. */
function walk(directory: string, segments: readonly string[]): string[] {
  const [segment, ...rest] = segments
  if (segment === undefined) return []
  const isLast = rest.length === 0
  if (segment === '**') {
    // Links to directories are not followed here: they may lead back up.
    const below = listDirectory(directory).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    const deeper = below.flatMap((entry) => walk(join(directory, entry.name), segments))
    return [...walk(directory, isLast ? ['*'] : rest), ...deeper]
  }
  const names = /[*?[]/.test(segment) ? matchingNames(directory, segment) : [segment]
  return names.flatMap((name) => {
    const path = join(directory, name)
    const found = findStat(path)
    if (found === undefined || found.isDirectory() === isLast) return []
    return isLast ? [path] : walk(path, rest)
  })
}

function matchingNames(directory: string, segment: string): string[] {
  const pattern = segmentPattern(segment)
  return listDirectory(directory)
    .map((entry) => entry.name)
    .filter((name) => pattern.test(name) && (segment.startsWith('.') || !name.startsWith('.')))
}

function segmentPattern(segment: string): RegExp {
  let source = ''
  for (let i = 0; i < segment.length; i++) {
    const character = segment.charAt(i)
    const close = character === '[' ? segment.indexOf(']', i + 2) : -1
    if (character === '*') source += '.*'
    else if (character === '?') source += '.'
    else if (close > 0) {
      const body = segment
        .slice(i + 1, close)
        .replace(/\\/g, '\\\\')
        .replace(/^!/, '^')
        .replace(/\[/g, '\\[')
      source += `[${body}]`
      i = close
    } else source += character.replace(/[.+^$|(){}[\]\\]/, '\\$&')
  }
  return new RegExp(`^${source}$`, 'su')
}

/** `a{b,c{d,e}}` becomes `ab`, `acd`, `ace`; a brace without a partner or a comma stays. */
function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf('{')
  if (open < 0) return [pattern]
  let depth = 0
  let start = open + 1
  const choices: string[] = []
  for (let i = open; i < pattern.length; i++) {
    const character = pattern.charAt(i)
    if (character === '{') depth++
    if (character === '}') depth--
    if ((character === ',' && depth === 1) || depth === 0) {
      choices.push(pattern.slice(start, i))
      start = i + 1
    }
    if (depth > 0) continue
    const head = pattern.slice(0, open)
    return choices.flatMap((choice) => expandBraces(head + choice + pattern.slice(i + 1)))
  }
  return [pattern]
}
