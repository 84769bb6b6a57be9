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
  /** It stands for the new file. */
  isNew: boolean
}

/** @throws OUTPUT_FAILED with `completeFiles` in its details when some could not be taken back */
export function commitOutputFiles(files: readonly CompleteFile[], calls: OutputCalls = systemOutput): void {
  const renamed: Renamed[] = []
  let at = ''
  try {
    for (const [index, { temporary, target }] of files.entries()) {
      at = target
      // Something else may have come to stand there while the query ran.
      requireFileOrNothing(target)
      // Noted before the rename: what was put aside must come back if that fails.
      if (index < files.length - 1) {
        renamed.push({ target, kept: keepOld(temporary, target, calls), isNew: false })
      }
      calls.rename(temporary, target)
      const last = renamed.at(-1)
      if (last?.target === target) last.isNew = true
    }
  } catch (cause) {
    throw commitError(at, cause, takeBack(renamed, calls))
  }
  for (const { kept } of renamed) if (kept !== undefined) removeQuietly(kept, calls)
  for (const folder of new Set(files.map(({ target }) => dirname(target)))) syncDirectory(folder, calls)
}

function requireFileOrNothing(target: string): void {
  const found = lstatSync(target, { throwIfNoEntry: false })
  if (found === undefined || found.isFile() || found.isSymbolicLink()) return
  throw Object.assign(new Error('not a regular file'), { code: found.isDirectory() ? 'EISDIR' : 'ENXIO' })
}

/** Gives what `target` stands for a second name. @returns that name; undefined when there is nothing */
function keepOld(temporary: string, target: string, calls: OutputCalls): string | undefined {
  const kept = `${temporary}.old`
  const old = lstatSync(target, { throwIfNoEntry: false })
  if (old === undefined) return undefined
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

/** What could not be undone. */
interface Remains {
  /** Names that stand for new files although they should not. */
  readonly complete: string[]
  /** Names that stand for nothing now, each with the one that has what they stood for. */
  readonly aside: { readonly target: string; readonly kept: string }[]
}

function takeBack(renamed: readonly Renamed[], calls: OutputCalls): Remains {
  const remains: Remains = { complete: [], aside: [] }
  for (const { target, kept, isNew } of [...renamed].reverse()) {
    // The last one was perhaps not renamed: then it has two names for what it stood for, and keeps the first.
    if (kept === undefined || isNew || !isSameFile(target, kept)) {
      try {
        if (kept === undefined) calls.remove(target)
        else calls.rename(kept, target)
      } catch {
        if (isNew || exists(target)) remains.complete.unshift(target)
        else if (kept !== undefined) remains.aside.unshift({ target, kept })
        continue
      }
    }
    // Renaming one link of a file to another of the same file leaves both.
    if (kept !== undefined) removeQuietly(kept, calls)
  }
  return remains
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function isSameFile(a: string, b: string): boolean {
  const [left, right] = [a, b].map((path) => lstatSync(path, { bigint: true, throwIfNoEntry: false }))
  return left !== undefined && right !== undefined && left.ino === right.ino && left.dev === right.dev
}

function commitError(path: string, cause: unknown, { complete, aside }: Remains): Error {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
  const text = `Output file cannot be written: ${path} (${errno}).`
  const details = { file: path, errno }
  if (complete.length === 0 && aside.length === 0) {
    return makeError('OUTPUT_FAILED', `${text} Check the output directory.`, details, { cause })
  }
  const sentences = [text]
  if (complete.length > 0) {
    const which = complete.map((file) => `"${file}"`).join(', ')
    sentences.push(
      `Other outputs of the query could not be taken back: ${which}. Remove them, or their ".old" files hold what ` +
        'was there before.',
    )
  }
  for (const { target, kept } of aside) sentences.push(`What was "${target}" is "${kept}" now. Rename it.`)
  const completeFiles = complete.length === 0 ? undefined : complete.join(', ')
  return makeError('OUTPUT_FAILED', sentences.join(' '), { ...details, completeFiles }, { cause })
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
