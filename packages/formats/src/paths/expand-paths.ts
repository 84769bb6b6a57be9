/**
 * From what a user names to the files it stands for: a file, a directory (the files of the format in it and below), or
 * a glob (glob.ts).
 */
import { type Dirent, readdirSync, type Stats, statSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { makeError } from '@spillway/stdx'
import { fileError } from '../parquet/file-access.ts'
import { compileGlob, type Glob, hasWildcards } from './glob.ts'

/** Files of one format. */
export interface FileKind {
  readonly name: string
  /** Of the files that a directory stands for, with their dots. */
  readonly extensions: readonly string[]
}

/**
 * Absolute paths, in the order of `paths`; the files of one directory or glob are sorted by code unit.
 * @throws DataError FILE_NOT_FOUND when a name stands for no file, FILE_UNREADABLE; PlanError INVALID_OPTION
 */
export function expandPaths(paths: readonly string[], kind: FileKind): string[] {
  return paths.flatMap((path) => {
    const files = expandPath(resolve(path), kind.extensions)
    if (files.length > 0) return files
    const isDirectory = findStat(resolve(path))?.isDirectory() === true
    const message = isDirectory
      ? `File not found: no ${kind.name} file (${kind.extensions.join(', ')}) in the directory "${path}" or below. ` +
        'Name the files, or use a glob.'
      : `File not found: no ${kind.name} file matches "${path}". Check the path or the glob.`
    throw makeError('FILE_NOT_FOUND', message, { file: path })
  })
}

function expandPath(path: string, extensions: readonly string[]): string[] {
  // A file whose name has glob characters is still a file.
  const found = findStat(path)
  if (found?.isDirectory() === true) return filesBelow(path, extensions)
  if (found !== undefined) return [path]
  return hasWildcards(path) ? matchingFiles(path.split(sep)) : []
}

/** Names that begin with a dot or an underscore are no data: hidden files, outputs in the making, `_SUCCESS`. */
function filesBelow(root: string, extensions: readonly string[]): string[] {
  const files: string[] = []
  const directories = [root]
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (const entry of listDirectory(directory)) {
      if (/^[._]/.test(entry.name)) continue
      const path = join(directory, entry.name)
      // Links to directories are not followed: they may lead back up, or to files that are here already.
      if (entry.isDirectory()) directories.push(path)
      else if (extensions.some((each) => entry.name.endsWith(each)) && isNoDirectory(entry, path)) files.push(path)
    }
  }
  return files.sort()
}

/** What is not known to be a file is asked: a link, or an entry of a file system that does not tell. */
function isNoDirectory(entry: Dirent, path: string): boolean {
  return entry.isFile() || findStat(path)?.isDirectory() === false
}

/** Walks from the last directory before the first wildcard. */
function matchingFiles(segments: readonly string[]): string[] {
  const literal = segments.findIndex(hasWildcards)
  const root = segments.slice(0, literal).join(sep) || sep
  const glob = compileGlob(segments.slice(literal).join('/'))
  const files: string[] = []
  const open: { readonly directory: string; readonly states: readonly number[] }[] = [
    { directory: root.endsWith(sep) ? root : root + sep, states: glob.start },
  ]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    for (const entry of listDirectory(place.directory)) {
      const path = place.directory + entry.name
      if (glob.accepts(place.states, entry.name) && isNoDirectory(entry, path)) files.push(path)
      const below = statesBelow(glob, place.states, entry, path)
      if (below.length > 0) open.push({ directory: path + sep, states: below })
    }
  }
  return files.sort()
}

function statesBelow(glob: Glob, states: readonly number[], entry: Dirent, path: string): readonly number[] {
  if (entry.isFile()) return []
  const below = glob.enter(states, entry.name, entry.isDirectory())
  return below.length === 0 || entry.isDirectory() || findStat(path)?.isDirectory() === true ? below : []
}

/** Undefined when there is nothing of that name, also when it is longer than names can be. */
function findStat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (cause) {
    const error = fileError(path, cause)
    if (error.code === 'FILE_NOT_FOUND' || error.details['errno'] === 'ENAMETOOLONG') return undefined
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
