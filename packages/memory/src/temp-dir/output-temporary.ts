/**
 * The temporary file of an output that is being written, and the removal of those whose process died.
 *
 *   <directory of the target>/.spillway-<owner>-<random>.tmp
 *
 * The name says who writes it (owner.ts), so that the next output into the directory can tell what a killed process
 * left from what a living one writes; and it does not depend on the target's, which may be as long as names can be.
 * Where the writer cannot be seen (another host, another container, before the last boot) its heartbeat tells: the
 * file's time is renewed every ten seconds while it is written.
 */
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import fsExtra from 'fs-extra'
import { fileSystemNow, HEARTBEAT_MS, SILENCE_MS_MAX } from './heartbeat.ts'
import { OWNER_TAG_PATTERN, type Owner, ownerTag, readOwnIdentity, tagStatus } from './owner.ts'
import { atProcessEnd } from './process-end.ts'

const { lstatSync, opendirSync, rmSync, utimes } = fsExtra

const temporaryName = new RegExp(`^\\.spillway-(${OWNER_TAG_PATTERN})-[0-9a-f]{16}\\.tmp(\\.old)?$`)
/** Entries that are looked at before others get their turn. */
const ENTRIES_PER_TURN = 512

let ownTag: string | undefined

/** One output's temporary file: it does not outlive the process, unless it is renamed before. */
export class OutputTemporary {
  readonly path: string
  #takeBackDuty: (() => void) | undefined
  #heart: NodeJS.Timeout | undefined

  /** Names a file beside `target`, and creates nothing. */
  constructor(target: string) {
    ownTag ??= ownerTag(readOwnIdentity())
    this.path = join(dirname(target), `.spillway-${ownTag}-${randomBytes(8).toString('hex')}.tmp`)
  }

  /** The file is about to be created. */
  begin(): void {
    this.#takeBackDuty = atProcessEnd(() => rmSync(this.path, { force: true }))
    this.#heart = setInterval(() => {
      const now = new Date()
      // A beat that fails is followed by others.
      utimes(this.path, now, now, () => {})
    }, HEARTBEAT_MS)
    this.#heart.unref()
  }

  /** It has its final name, or is removed: nothing is left to do for it. May be called twice. */
  end(): void {
    clearInterval(this.#heart)
    this.#takeBackDuty?.()
  }
}

/**
 * Removes the temporary files in `directory` that dead processes left. What an output stood for before (`.old`) goes
 * only where it has another name: it may be the last one. Never throws; a directory that cannot be listed has nothing
 * that we could remove.
 */
export async function removeDeadTemporaries(directory: string): Promise<void> {
  const self = readOwnIdentity()
  let now: number | undefined
  try {
    const entries = opendirSync(directory, { bufferSize: ENTRIES_PER_TURN })
    for await (const { name } of entries) {
      const match = temporaryName.exec(name)
      if (match === null) continue
      const path = join(directory, name)
      if (tagStatus(match[1] ?? '', self) === 'elsewhere') now ??= fileSystemNow(directory)
      if (isDead(path, match, self, now)) rmSync(path, { force: true })
    }
  } catch {
    // The output itself says what is wrong with its directory.
  }
}

function isDead(path: string, [, tag = '', old]: RegExpExecArray, self: Owner, now: number | undefined): boolean {
  const facts = lstatSync(path, { throwIfNoEntry: false })
  if (facts?.isFile() !== true || (old !== undefined && facts.nlink < 2)) return false
  const status = tagStatus(tag, self)
  if (status !== 'elsewhere') return status === 'gone'
  return now !== undefined && now - facts.mtimeMs > SILENCE_MS_MAX
}
