/** Reading a file synchronously, with every failure as a DataError that names it. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { type ErrorDetails, makeError, SpillwayError } from '@spillway/stdx'
import { kindOf } from '../output/output-target.ts'

/** Facts that locate a failure; absent ones are undefined. */
export interface FilePlace {
  readonly file: string
  readonly rowGroup?: number | undefined
  readonly column?: string | undefined
  readonly page?: number | undefined
}

/** ` in row group 3, column "price", page 1 of /data/a.parquet`: the end of a message. */
export function describePlace(place: FilePlace): string {
  const parts: string[] = []
  if (place.rowGroup !== undefined) parts.push(`row group ${place.rowGroup}`)
  if (place.column !== undefined) parts.push(`column "${place.column}"`)
  if (place.page !== undefined) parts.push(`page ${place.page}`)
  return parts.length === 0 ? place.file : `${parts.join(', ')} of ${place.file}`
}

export const placeDetails = (place: FilePlace): ErrorDetails => ({ ...place })

/** PARQUET_CORRUPT: `Damaged Parquet file: <what> in <place>`. */
export function corruptError(what: string, place: FilePlace, cause?: unknown): SpillwayError {
  const message = `Damaged Parquet file: ${what} in ${describePlace(place)}. Write the file again.`
  return makeError('PARQUET_CORRUPT', message, placeDetails(place), { cause })
}

/** Turns what node:fs throws into FILE_NOT_FOUND or FILE_UNREADABLE. */
export function fileError(path: string, cause: unknown): SpillwayError {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
  if (errno === 'ENOENT' || errno === 'ENOTDIR') {
    return makeError('FILE_NOT_FOUND', `File not found: ${path}. Check the path.`, { file: path }, { cause })
  }
  const message = `File cannot be read: ${path} (${errno}). Check permissions and the disk.`
  return makeError('FILE_UNREADABLE', message, { file: path, errno }, { cause })
}

/**
 * Opens a regular file for reading. A pipe without a writer would hold the process in `open` for ever, so nothing is
 * waited for before it is known what the path names.
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE
 */
export function openInput(path: string): number {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const facts = fstatSync(descriptor)
    if (facts.isFile()) return descriptor
    const text = `File cannot be read: ${path} is a ${kindOf(facts)}, not a regular file. Copy its content into a file.`
    throw makeError('FILE_UNREADABLE', text, { file: path })
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor)
    throw cause instanceof SpillwayError ? cause : fileError(path, cause)
  }
}

/** Runs `use` with an open descriptor. Errors of node:fs are translated; others pass through. */
export function withFile<T>(path: string, use: (descriptor: number) => T): T {
  const descriptor = openInput(path)
  try {
    return use(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Fills `target` from `position` on; a short read is repeated.
 * @throws DataError FILE_UNREADABLE, or PARQUET_CORRUPT when the file ends before.
 */
export function readFully(descriptor: number, target: Uint8Array, position: number, place: FilePlace): void {
  readExactly(descriptor, target, position, place.file, () =>
    corruptError('the file ends before the bytes that its footer points to', place),
  )
}

/**
 * Fills `target` from byte `position` of a file on; a short read is repeated.
 * @param endsEarly the error when the file ends before
 * @throws DataError FILE_UNREADABLE, or what `endsEarly` makes
 */
export function readExactly(
  descriptor: number,
  target: Uint8Array,
  position: number,
  file: string,
  endsEarly: () => Error,
): void {
  let done = 0
  while (done < target.length) {
    let count: number
    try {
      count = readSync(descriptor, target, done, target.length - done, position + done)
    } catch (cause) {
      throw fileError(file, cause)
    }
    if (count === 0) throw endsEarly()
    done += count
  }
}

/** What tells one version of a file from another. */
export interface FileVersion {
  readonly fileBytes: number
  readonly modifiedNs: bigint
  /**
   * The file was left alone for longer than a step of its file system's clock when its version was looked up, so a
   * version written since has another time. What was read of a file that is not settled may be used, but not kept.
   */
  readonly isSettled: boolean
  /** When it was looked up, in milliseconds of a clock that all threads share and that goes forward only. */
  readonly seenAtMs: number
}

// Linux counts times of files in steps of up to 10 ms; some file systems know whole, or every other, second only.
const CLOCK_STEP_MS = 100
const COARSE_CLOCK_STEP_MS = 2000

/**
 * @param descriptor undefined = of the file that the path names now
 * @throws DataError FILE_NOT_FOUND, FILE_UNREADABLE
 */
export function fileVersion(descriptor: number | undefined, path: string): FileVersion {
  try {
    const stat = descriptor === undefined ? statSync(path, { bigint: true }) : fstatSync(descriptor, { bigint: true })
    if (stat.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' })
    const modifiedNs = stat.mtimeNs
    const isSettled = Date.now() - Number(modifiedNs / 1_000_000n) > clockStepMs(modifiedNs)
    return { fileBytes: Number(stat.size), modifiedNs, isSettled, seenAtMs: performance.timeOrigin + performance.now() }
  } catch (cause) {
    throw fileError(path, cause)
  }
}

function clockStepMs(modifiedNs: bigint): number {
  return modifiedNs % 1_000_000_000n === 0n ? COARSE_CLOCK_STEP_MS : CLOCK_STEP_MS
}

/** The two are one version, as far as size and time tell. */
export function isSameVersion(a: FileVersion, b: FileVersion): boolean {
  return a.fileBytes === b.fileBytes && a.modifiedNs === b.modifiedNs
}

/** What was read of version `cached` of a file still holds now that it has version `now`. */
export function isOfVersion(cached: FileVersion, now: FileVersion): boolean {
  return cached.isSettled && isSameVersion(cached, now)
}

/**
 * `now` with what `cached`, an earlier look at the file, tells of it: a version that has been there for longer than a
 * step of the clock is settled, whatever its time says. That may lie in the future, by the clock of another machine.
 */
export function settledSince(cached: FileVersion | undefined, now: FileVersion): FileVersion {
  if (cached === undefined || now.isSettled || !isSameVersion(cached, now)) return now
  const isSettled = now.seenAtMs - cached.seenAtMs > clockStepMs(now.modifiedNs)
  return { ...now, isSettled, seenAtMs: cached.seenAtMs }
}
