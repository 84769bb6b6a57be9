/**
 * Which directory spill files go under.
 *
 * A directory that the user names is used or refused with a reason, never replaced by another. Without one, the first
 * of the usual places that is writable, on a real disk and not nearly full is taken: a tmpfs is memory, so spilling
 * there would use what it is meant to save.
 */
import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { makeError } from '@spillway/stdx'
import { formatBytes } from '../byte-size.ts'

export interface TempRootOptions {
  /** The `tempDir` option; wins over the environment. */
  readonly tempDir: string | undefined
  readonly allowTmpfs: boolean
  /** Read for SPILLWAY_TEMP_DIR and the cache directory. */
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface TempRoot {
  readonly path: string
  readonly freeBytes: number
  /** True only when `allowTmpfs` let it through. */
  readonly inMemory: boolean
}

/** What a file system tells about a directory; tests substitute it. */
export interface DirectoryFacts {
  readonly freeBytes: number
  readonly inMemory: boolean
}

/** @throws Error when the directory cannot be created, entered and written. */
export type InspectDirectory = (path: string) => DirectoryFacts

const TMPFS_MAGIC = 0x01021994
const RAMFS_MAGIC = 0x858458f6
/** A default place with less room than this is passed over while there is a better one. */
const ROOM_BYTES = 256 * 2 ** 20

/**
 * @throws ResourceError TEMP_DIR_TMPFS for a named tmpfs, or when nothing but tmpfs is left; TEMP_DIR_UNUSABLE when
 *   the named directory, or every default, cannot be written
 */
export function resolveTempRoot(
  options: TempRootOptions,
  inspect: InspectDirectory = inspectDirectory,
  defaults: readonly string[] = defaultTempRoots(options.env),
): TempRoot {
  const named = options.tempDir ?? (options.env['SPILLWAY_TEMP_DIR'] || undefined)
  return named === undefined
    ? chooseDefault(defaults, options.allowTmpfs, inspect)
    : requireNamed(resolve(named), options.allowTmpfs, inspect)
}

function requireNamed(path: string, allowTmpfs: boolean, inspect: InspectDirectory): TempRoot {
  let facts: DirectoryFacts
  try {
    facts = inspect(path)
  } catch (cause) {
    throw makeError(
      'TEMP_DIR_UNUSABLE',
      `Cannot use the temp directory: "${path}" (${reasonOf(cause)}). Set tempDir to a writable directory on a disk.`,
      { path },
      { cause },
    )
  }
  if (facts.inMemory && !allowTmpfs) {
    throw makeError(
      'TEMP_DIR_TMPFS',
      `The temp directory lies in memory (tmpfs), so spilling there saves nothing: "${path}". ` +
        'Set tempDir to a directory on a disk, or set allowTmpfs.',
      { path },
    )
  }
  return { path, ...facts }
}

function chooseDefault(places: readonly string[], allowTmpfs: boolean, inspect: InspectDirectory): TempRoot {
  const usable: TempRoot[] = []
  const refusals: string[] = []
  let tmpfsSeen = false
  for (const path of places) {
    try {
      const root = { path, ...inspect(path) }
      if (root.inMemory && !allowTmpfs) {
        tmpfsSeen = true
        refusals.push(`"${path}" is a tmpfs`)
      } else if (root.freeBytes >= ROOM_BYTES) {
        return root
      } else {
        usable.push(root)
        refusals.push(`"${path}" has ${formatBytes(root.freeBytes)} free`)
      }
    } catch (cause) {
      refusals.push(`"${path}": ${reasonOf(cause)}`)
    }
  }
  const [roomiest] = usable.toSorted((a, b) => b.freeBytes - a.freeBytes)
  if (roomiest !== undefined) return roomiest
  throw makeError(
    tmpfsSeen ? 'TEMP_DIR_TMPFS' : 'TEMP_DIR_UNUSABLE',
    `No temp directory to spill to: ${refusals.join('; ')}. Set tempDir to a writable directory on a disk.`,
  )
}

/** The system's temp directory, its persistent one, and the user's cache directory. */
export function defaultTempRoots(env: Readonly<Record<string, string | undefined>>): string[] {
  const places = [tmpdir()]
  if (process.platform === 'win32') {
    if (env['LOCALAPPDATA']) places.push(join(env['LOCALAPPDATA'], 'spillway'))
  } else {
    const caches = process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache')
    places.push('/var/tmp', join(env['XDG_CACHE_HOME'] || caches, 'spillway'))
  }
  return [...new Set(places.map((place) => resolve(place)))]
}

function inspectDirectory(path: string): DirectoryFacts {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  const facts = statfsSync(path)
  // The type is a signed 32-bit number on some systems.
  const type = facts.type >>> 0
  const inMemory = process.platform === 'linux' && (type === TMPFS_MAGIC || type === RAMFS_MAGIC)
  return { freeBytes: facts.bavail * facts.bsize, inMemory }
}

/** Default of `maxSpillBytes`: 90 % of what is free, so that a query never fills the user's disk. */
export function defaultMaxSpillBytes(root: TempRoot): number {
  return Math.floor(root.freeBytes * 0.9)
}

function reasonOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? (cause instanceof Error ? cause.message : String(cause))
}
