/**
 * The private directory of one engine's spill files, and the removal of those whose process died.
 *
 *   <root>/spillway-<pid>-<uuid>/     mode 0700
 *     owner.json                      who owns it (owner.ts)
 *     heartbeat                       rewritten every 10 s
 *     …                               spill files
 *
 * Whoever removes a directory first gives it another name (`….gone`), so that a thread that still writes finds nothing
 * to write into, and removes the owner mark last, so that what an interrupted removal leaves is known to be nobody's.
 * An empty directory says that its maker or its remover was interrupted; a maker that lives makes it again.
 *
 * A directory is removed by another process only if its owner is known to be gone, or cannot be seen from here and has
 * given no sign of life for ten minutes. An owner that is seen alive keeps its directory however old its heartbeat is.
 */
import { randomUUID } from 'node:crypto'
import { basename, join } from 'node:path'
import { assert, makeError } from '@spillway/stdx'
import fsExtra from 'fs-extra'
import { fileSystemNow, HEARTBEAT_MS, SILENCE_MS_MAX } from './heartbeat.ts'
import { type Owner, ownerStatus, parseOwner, readOwnIdentity } from './owner.ts'

/** How often a directory is made again that somebody took for a remnant. */
const ATTEMPTS_MAX = 5
const OWNER_FILE = 'owner.json'
const HEARTBEAT_FILE = 'heartbeat'
const GONE = '.gone'
const directoryName = /^spillway-\d+-[0-9a-f]{8}-[0-9a-f-]{27}(?:\.gone)?$/
const { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } =
  fsExtra

export interface SpillDirectory {
  readonly path: string
  /** Stops the heartbeat and removes the directory with all that is in it. May be called twice. */
  readonly remove: () => void
}

/**
 * Makes the directory; the caller removes it when the engine closes, and with `removeSpillDirectorySync` at exit.
 * @throws ResourceError TEMP_DIR_UNUSABLE
 */
export function createSpillDirectory(root: string): SpillDirectory {
  const path = join(root, `spillway-${process.pid}-${randomUUID()}`)
  try {
    makeDirectory(path)
    beat(path)
  } catch (cause) {
    removeSpillDirectorySync(path)
    throw makeError(
      'TEMP_DIR_UNUSABLE',
      `Cannot create a spill directory under "${root}" (${(cause as Error).message}). ` +
        'Set tempDir to a writable directory.',
      { path: root },
      { cause },
    )
  }
  // A heart that cannot beat (full disk, directory removed by hand) is no reason to stop a query.
  const timer = setInterval(() => {
    try {
      beat(path)
    } catch {
      // The next one may succeed.
    }
  }, HEARTBEAT_MS)
  timer.unref()
  return {
    path,
    remove: () => {
      clearInterval(timer)
      removeSpillDirectorySync(path)
    },
  }
}

/** Writing, rather than setting times, lets the file system's own clock decide the time. */
function beat(path: string): void {
  writeFileSync(join(path, HEARTBEAT_FILE), '.', { mode: 0o600 })
}

/** With its owner's mark, renamed into place so that nobody reads half of it. */
function makeDirectory(path: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(path, { mode: 0o700 })
      const draft = join(path, `${OWNER_FILE}.tmp`)
      writeFileSync(draft, JSON.stringify(readOwnIdentity()), { mode: 0o600 })
      renameSync(draft, join(path, OWNER_FILE))
      return
    } catch (error) {
      // Another start may remove a directory that is still empty.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

/** Removes a directory of ours with all files, also while threads of this process still write. Never throws. */
export function removeSpillDirectorySync(path: string): void {
  assert(directoryName.test(basename(path)), 'only a spill directory is removed whole')
  try {
    emptyAndRemove(path.endsWith(GONE) ? path : renamedAway(path))
  } catch {
    // The next engine's start reclaims it.
  }
}

/** Where a directory with open files cannot be renamed (Windows) it is emptied under its own name. */
function renamedAway(path: string): string {
  const gone = `${path}${GONE}`
  try {
    renameSync(path, gone)
    return gone
  } catch {
    return path
  }
}

function emptyAndRemove(path: string): void {
  for (const name of readdirSync(path)) {
    if (name !== OWNER_FILE) rmSync(join(path, name), { recursive: true, force: true, maxRetries: 2 })
  }
  rmSync(join(path, OWNER_FILE), { force: true })
  rmdirSync(path)
}

export interface Reclaimed {
  readonly removed: readonly string[]
  /** Directories of live or unknown owners. */
  readonly kept: readonly string[]
}

/** Removes the directories under `root` that dead processes left. Called once when an engine first spills. */
export function reclaimDeadDirectories(root: string): Reclaimed {
  const removed: string[] = []
  const kept: string[] = []
  const candidates = listCandidates(root)
  if (candidates.length === 0) return { removed, kept }
  const self = readOwnIdentity()
  const now = fileSystemNow(root)
  for (const path of candidates) {
    if (isAbandoned(path, self, now)) {
      removeSpillDirectorySync(path)
      removed.push(path)
    } else if (removeEmpty(path)) {
      removed.push(path)
    } else {
      kept.push(path)
    }
  }
  return { removed, kept }
}

/** Real directories with our kind of name that belong to our user: a shared /tmp holds anything. */
function listCandidates(root: string): string[] {
  const uid = process.getuid?.()
  return readdirSync(root)
    .filter((name) => directoryName.test(name))
    .map((name) => join(root, name))
    .filter((path) => {
      const facts = lstatSync(path, { throwIfNoEntry: false })
      return facts?.isDirectory() === true && (uid === undefined || facts.uid === uid)
    })
}

function isAbandoned(path: string, self: Owner, now: number | undefined): boolean {
  const owner = findOwner(path)
  const status = owner === undefined ? 'elsewhere' : ownerStatus(owner, self)
  if (status !== 'elsewhere') return status === 'gone'
  const lastSign = findLastSign(path)
  return now !== undefined && lastSign !== undefined && now - lastSign > SILENCE_MS_MAX
}

/** Only an empty directory can be removed so, and only a live one that holds nothing yet is empty. */
function removeEmpty(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}

function findOwner(path: string): Owner | undefined {
  try {
    return parseOwner(readFileSync(join(path, OWNER_FILE), 'utf8'))
  } catch {
    // Its maker may be between two calls; the age of the directory decides.
    return undefined
  }
}

/** Latest change in the directory: a heartbeat, or a spill file being written. Undefined: leave it alone. */
function findLastSign(path: string): number | undefined {
  try {
    const times = readdirSync(path).map((name) => statSync(join(path, name), { throwIfNoEntry: false })?.mtimeMs ?? 0)
    return Math.max(statSync(path).mtimeMs, ...times)
  } catch {
    return undefined
  }
}
