/**
 * Brings a file to disk while workers still write it, without stopping the program: the calls run beside the event
 * loop, one at a time, and at the end little is left to wait for.
 *
 * A system tells of a failed write-back once, to whom it pleases, so the first failure is kept until `end`.
 */
import { type OutputCalls, systemOutput } from './output-calls.ts'
import { outputError } from './output-file.ts'

/** Bytes that are worth a call. */
const SYNC_BYTES = 64 * 1024 * 1024

export class OutputSync {
  readonly #temporary: string
  readonly #calls: OutputCalls
  #descriptor: number | undefined
  #unsynced = 0
  #running: Promise<void> | undefined
  #failure: unknown
  #isOver = false

  constructor(temporary: string, calls: OutputCalls = systemOutput) {
    this.#temporary = temporary
    this.#calls = calls
  }

  /** So many more bytes are in the file. */
  written(bytes: number): void {
    this.#unsynced += bytes
    if (this.#unsynced < SYNC_BYTES || this.#running !== undefined) return
    if (this.#isOver || this.#failure !== undefined) return
    this.#unsynced = 0
    this.#running = this.#sync()
  }

  async #sync(): Promise<void> {
    try {
      this.#descriptor ??= this.#calls.open(this.#temporary, 'r+')
      await this.#calls.syncFile(this.#descriptor)
    } catch (error) {
      this.#failure ??= error
    }
    this.#running = undefined
  }

  /** All of the file is on disk afterwards. @throws OUTPUT_FAILED */
  async end(): Promise<void> {
    this.#isOver = true
    await this.#running
    if (this.#failure === undefined) await this.#sync()
    this.#close()
    if (this.#failure !== undefined) throw outputError(this.#temporary, this.#failure)
  }

  /** The file is not wanted any more. */
  async abandon(): Promise<void> {
    this.#isOver = true
    await this.#running
    this.#close()
  }

  #close(): void {
    if (this.#descriptor !== undefined) this.#calls.close(this.#descriptor)
    this.#descriptor = undefined
  }
}
