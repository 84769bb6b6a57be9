/** What a program may give where a file is asked for: a path, a `file:` URL as text, or a URL object. */
import { fileURLToPath } from 'node:url'
import { makeError } from '@spillway/stdx'

export type PathArgument = string | URL

/**
 * The path that `value` stands for; relative ones stay relative.
 * @param where the public function, for messages
 * @throws PlanError INVALID_OPTION
 */
export function pathOf(value: unknown, where: string): string {
  if (isUrl(value)) return pathOfUrl(value.href, where)
  if (typeof value !== 'string') throw invalid(where, `${describe(value)} is no path`, 'Give a path or a file: URL.')
  if (value === '') throw invalid(where, 'the path is empty', 'Name a file.')
  if (value.includes('\0')) throw invalid(where, `the path has a NUL character: ${JSON.stringify(value)}`, 'Remove it.')
  if (/^file:\//i.test(value)) return pathOfUrl(value, where)
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(value)?.[1]
  if (scheme === undefined) return value
  throw invalid(where, `"${value}" is a URL of scheme "${scheme}"`, 'Only local files are read and written: copy it.')
}

/** @throws DataError FILE_NOT_FOUND when the list is empty; PlanError INVALID_OPTION when an entry is no path */
export function pathsOf(value: unknown, where: string): string[] {
  if (!Array.isArray(value)) return [pathOf(value, where)]
  if (value.length === 0) {
    const text = `File not found: the list of paths of ${where} is empty. Name at least one file.`
    throw makeError('FILE_NOT_FOUND', text, {})
  }
  // Not map: it would pass over the holes of a sparse list.
  return Array.from(value, (each: unknown) => pathOf(each, where))
}

/** URL objects of other realms are none of ours. */
function isUrl(value: unknown): value is URL {
  return typeof value === 'object' && value !== null && typeof (value as URL).href === 'string' && 'protocol' in value
}

function pathOfUrl(href: string, where: string): string {
  let url: URL
  try {
    url = new URL(href)
    if (url.protocol !== 'file:') {
      throw invalid(where, `"${href}" is a URL of scheme "${url.protocol.slice(0, -1)}"`, 'Only file: URLs are read.')
    }
    // What follows them would be lost silently.
    if (url.search !== '' || url.hash !== '') {
      throw invalid(where, `the file URL "${href}" has a "?" or a "#"`, 'Write them as %3F and %23.')
    }
    return fileURLToPath(url)
  } catch (cause) {
    if ((cause as { code?: string }).code === 'INVALID_OPTION') throw cause
    throw invalid(where, `"${href}" is no file URL (${(cause as Error).message})`, 'Correct it, or give a path.')
  }
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  return `an object (${value.constructor?.name ?? 'without a prototype'})`
}

function invalid(where: string, what: string, advice: string): Error {
  return makeError('INVALID_OPTION', `Invalid path of ${where}: ${what}. ${advice}`, {})
}
