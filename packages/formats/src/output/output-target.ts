/**
 * Where an output goes. A symbolic link is written through, as every writer does: the file that it leads to gets a new
 * content, also one that is not there yet. Only a regular file is replaced: a rename onto a device, a pipe or a socket
 * would put a file in its place.
 */
import { chmodSync, chownSync, lstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { makeError } from '@spillway/stdx'

/** The file that an output becomes. */
export interface OutputTarget {
  /** Absolute; no link itself. */
  readonly path: string
  /** Of the file that it replaces. */
  readonly replaced: { readonly mode: number; readonly userId: number; readonly groupId: number } | undefined
}

/** As many links as Linux follows. */
const LINKS_MAX = 40

/** @throws OUTPUT_FAILED when the path cannot become a regular file */
export function resolveOutputTarget(path: string): OutputTarget {
  if (/[/\\]$/.test(path) && resolve(path) !== path) {
    throw refused(path, 'names a directory', 'Give the path of a file in it.')
  }
  let place = resolve(path)
  for (let links = 0; links <= LINKS_MAX; links++) {
    const facts = requireReplaceable(place, path)
    if (facts === undefined) {
      requireDirectory(dirname(place), path)
      return { path: place, replaced: undefined }
    }
    if (!facts.isSymbolicLink()) {
      return { path: place, replaced: { mode: facts.mode & 0o7777, userId: facts.uid, groupId: facts.gid } }
    }
    place = resolve(
      onDisk(path, () => realpathSync(dirname(place))),
      readlinkSync(place),
    )
  }
  throw refused(path, 'leads through too many symbolic links (ELOOP)', 'Correct the links, or give another path.')
}

/** @throws OUTPUT_FAILED */
function requireDirectory(directory: string, named: string): void {
  const facts = onDisk(named, () => statSync(directory, { throwIfNoEntry: false }))
  if (facts?.isDirectory() === true) return
  const [errno, what] = facts === undefined ? ['ENOENT', 'is not there'] : ['ENOTDIR', 'is a file']
  const text = `Output file cannot be written: ${named} (${errno}): "${directory}" ${what}. Create the directory first.`
  throw makeError('OUTPUT_FAILED', text, { file: named, errno })
}

/**
 * What stands under a name that is about to be given to a file; undefined: nothing.
 * @param named what the program calls it
 * @throws OUTPUT_FAILED when it is neither a regular file nor a symbolic link
 */
function requireReplaceable(place: string, named: string): Stats | undefined {
  const facts = onDisk(named, () => lstatSync(place, { throwIfNoEntry: false }))
  if (facts === undefined || facts.isFile() || facts.isSymbolicLink()) return facts
  throw refused(named, `is a ${kindOf(facts)}, not a regular file`, 'Give the path of a file.')
}

/** "directory", "named pipe" and so on, of what is not a regular file. */
export function kindOf(facts: Stats): string {
  if (facts.isDirectory()) return 'directory'
  if (facts.isFIFO()) return 'named pipe'
  if (facts.isSocket()) return 'socket'
  return facts.isCharacterDevice() || facts.isBlockDevice() ? 'device' : 'special file'
}

/**
 * Gives the temporary file what the file that it replaces has: owner and group where that is allowed, and the mode. A
 * mode that would keep its own owner from writing comes when everything is written.
 */
export function takeOver(temporary: string, { replaced }: OutputTarget, isComplete: boolean): void {
  if (replaced === undefined) return
  const { mode, userId, groupId } = replaced
  // A process may give a file away only if it is privileged; to a group of its own it may.
  ifAllowed(() => chownSync(temporary, userId, groupId)) || ifAllowed(() => chownSync(temporary, -1, groupId))
  ifAllowed(() => chmodSync(temporary, isComplete ? mode : (mode & 0o777) | 0o600))
}

function ifAllowed(change: () => void): boolean {
  try {
    change()
    return true
  } catch {
    return false
  }
}

function onDisk<T>(path: string, look: () => T): T {
  try {
    return look()
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
    const advice =
      errno === 'ENAMETOOLONG'
        ? `Its name "${basename(path).slice(0, 40)}…" has ${Buffer.byteLength(basename(path))} bytes: shorten it.`
        : 'Check the path and its directory.'
    const text = `Output file cannot be written: ${path} (${errno}). ${advice}`
    throw makeError('OUTPUT_FAILED', text, { file: path, errno }, { cause })
  }
}

function refused(path: string, what: string, advice: string): Error {
  return makeError('OUTPUT_FAILED', `Output path ${what}: ${path}. ${advice}`, { file: path })
}
