/** Where an engine's queries spill: one private directory per temp root, made when a query first may need it. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  atProcessEnd,
  createSpillDirectory,
  defaultMaxSpillBytes,
  reclaimDeadDirectories,
  removeSpillDirectorySync,
  resolveTempRoot,
  type SpillDirectory,
} from '@spillway/memory'
import { makeError } from '@spillway/stdx'

interface OpenRoot {
  readonly directory: SpillDirectory
  readonly maxSpillBytes: number
}

export interface SpillPlace {
  /** Path and start of the names of the query's files. */
  readonly prefix: string
  readonly maxSpillBytes: number
}

export class SpillSpace {
  readonly #roots = new Map<string, OpenRoot>()
  #takeBackDuty: (() => void) | undefined

  /** @throws ResourceError TEMP_DIR_UNUSABLE, TEMP_DIR_TMPFS, SPILL_DISK_FULL */
  place(
    queryId: number,
    tempDir: string | undefined,
    allowTmpfs: boolean,
    maxSpillBytes: number | undefined,
  ): SpillPlace {
    const key = `${tempDir ?? ''}|${allowTmpfs}`
    let open = this.#roots.get(key)
    if (open === undefined || !existsSync(open.directory.path)) {
      // A directory that somebody removed under us (a cleaner of old temp files) is made anew.
      open?.directory.remove()
      open = this.#open(tempDir, allowTmpfs)
      this.#roots.set(key, open)
    }
    return {
      prefix: join(open.directory.path, `q${queryId}`),
      maxSpillBytes: maxSpillBytes ?? open.maxSpillBytes,
    }
  }

  #open(tempDir: string | undefined, allowTmpfs: boolean): OpenRoot {
    const root = resolveTempRoot({ tempDir, allowTmpfs, env: process.env })
    // What a killed process left is removed before anything new is written.
    reclaimDeadDirectories(root.path)
    try {
      const directory = createSpillDirectory(root.path)
      this.#takeBackDuty ??= atProcessEnd(() => {
        for (const root of this.#roots.values()) removeSpillDirectorySync(root.directory.path)
      })
      return { directory, maxSpillBytes: defaultMaxSpillBytes(root) }
    } catch (cause) {
      const errno = (cause as NodeJS.ErrnoException | undefined)?.code
      throw makeError(
        'TEMP_DIR_UNUSABLE',
        `Temp directory cannot be used: "${root.path}" (${errno ?? String(cause)}). ` +
          'Set tempDir to a writable directory.',
        { path: root.path, errno },
        { cause },
      )
    }
  }

  /** Removes the files of one query that are left. Never throws: what stays goes with the directory. */
  removeFiles(place: SpillPlace): void {
    for (const { directory } of this.#roots.values()) {
      if (!place.prefix.startsWith(directory.path)) continue
      const start = `${place.prefix.slice(directory.path.length + 1)}-`
      try {
        for (const name of readdirSync(directory.path)) {
          if (name.startsWith(start)) rmSync(join(directory.path, name), { force: true })
        }
      } catch {
        // Somebody emptied the temp directory: then there is nothing to remove.
      }
    }
  }

  close(): void {
    for (const { directory } of this.#roots.values()) directory.remove()
    this.#roots.clear()
    this.#takeBackDuty?.()
    this.#takeBackDuty = undefined
  }
}
