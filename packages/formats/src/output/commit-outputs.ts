/**
 * Gives complete files their names: all of them, or none as far as the file system lets.
 *
 * A rename is atomic, several are not. So what a name stood for is kept under another name until all are renamed:
 *
 *   link old a → a.spillway-….old, rename new a, link old b → …, rename new b, … then remove the kept ones
 *
 * When one fails, those before it are given back what they stood for, and names that were free are free again. The last
 * file needs no such care, so a query with one output is one rename. Two things remain: a process that is killed
 * between two renames leaves both generations (the old ones as `.old` files), and a disk on which not even giving back
 * works leaves new files; the error then names them.
 */
import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeError } from '@spillway/stdx'
import { type OutputCalls, systemOutput } from './output-calls.ts'

/** A complete file under its temporary name, and the name that it is to have. */
export interface CompleteFile {
  readonly temporary: string
  readonly target: string
}

/** A name that stands for a new file, or is about to. */
interface Renamed {
  readonly target: string
  /** Another name of what it stood for; undefined: it was free. */
  readonly kept: string | undefined
}

/** @throws OUTPUT_FAILED with `completeFiles` in its details when some could not be taken back */
export function commitOutputFiles(files: readonly CompleteFile[], calls: OutputCalls = systemOutput): void {
  const renamed: Renamed[] = []
  let at = ''
  try {
    for (const [index, { temporary, target }] of files.entries()) {
      at = target
      // Noted before the rename: what was put aside must come back if that fails.
      if (index < files.length - 1) renamed.push({ target, kept: keepOld(temporary, target, calls) })
      calls.rename(temporary, target)
    }
  } catch (cause) {
    throw commitError(at, cause, takeBack(renamed, calls))
  }
  for (const { kept } of renamed) if (kept !== undefined) removeQuietly(kept, calls)
  for (const folder of new Set(files.map(({ target }) => dirname(target)))) syncDirectory(folder, calls)
}

/** Gives what `target` stands for a second name. @returns that name; undefined when there is nothing */
function keepOld(temporary: string, target: string, calls: OutputCalls): string | undefined {
  const kept = `${temporary}.old`
  const old = lstatSync(target, { throwIfNoEntry: false })
  if (old === undefined) return undefined
  if (old.isDirectory()) throw Object.assign(new Error('EISDIR: the target is a directory'), { code: 'EISDIR' })
  try {
    calls.link(target, kept)
  } catch (error) {
    if (!isUnsupported(error)) throw error
    // Without links the name is free for a moment, and the old file is never gone.
    calls.rename(target, kept)
  }
  return kept
}

function isUnsupported(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)
}

/** Whether or not the last of them was renamed. @returns the files that stay although they should not */
function takeBack(renamed: readonly Renamed[], calls: OutputCalls): string[] {
  const left: string[] = []
  for (const { target, kept } of [...renamed].reverse()) {
    try {
      if (kept === undefined) calls.remove(target)
      else calls.rename(kept, target)
    } catch {
      left.push(target)
    }
    // Renaming one link of a file to another of the same file leaves both.
    if (kept !== undefined && !left.includes(target)) removeQuietly(kept, calls)
  }
  return left.reverse()
}

function commitError(path: string, cause: unknown, left: readonly string[]): Error {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
  const text = `Output file cannot be written: ${path} (${errno}).`
  if (left.length === 0) {
    return makeError('OUTPUT_FAILED', `${text} Check the output directory.`, { file: path, errno }, { cause })
  }
  const which = left.map((file) => `"${file}"`).join(', ')
  return makeError(
    'OUTPUT_FAILED',
    `${text} Other outputs of the query could not be taken back: ${which}. Remove them, or their ".old" files hold ` +
      'what was there before.',
    { file: path, errno, completeFiles: left.join(', ') },
    { cause },
  )
}

function removeQuietly(path: string, calls: OutputCalls): void {
  try {
    calls.remove(path)
  } catch {
    // All outputs are what they should be.
  }
}

/** Makes renames durable; some systems do not let a directory be opened, and then it is left to them. */
function syncDirectory(directory: string, calls: OutputCalls): void {
  try {
    const descriptor = calls.open(directory, 'r')
    try {
      calls.sync(descriptor)
    } finally {
      calls.close(descriptor)
    }
  } catch {
    // The files themselves are synced and complete under their names.
  }
}
