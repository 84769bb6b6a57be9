/**
 * Options of an engine and of one query: validated once, merged (query over engine over environment over defaults).
 *
 * zod's small form is used, function by function, so that the bundle holds and starts only what is called here.
 */
import { availableParallelism } from 'node:os'
import { noTesting, type Progress, type QueryOptions as CoreOptions, type TestingOptions } from '@spillway/engine'
import { parseByteSize, systemMemoryBytes } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import type { ChunkStrategy } from './chunk-strategy.ts'
import english from 'zod/v4/locales/en.js'
import * as z from 'zod/mini'

/** Share of the machine's (or container's) memory that queries may use when nothing is said. */
const DEFAULT_MEMORY_SHARE = 0.7
const THREADS_MAX = 256
const DATA_PAGE_BYTES_MAX = 1 << 24

const testingShape = () => ({
  forceSpill: z.optional(z.boolean()),
  batchRows: z.optional(integer(1, 65_536)),
  morselRows: z.optional(integer(1)),
  partitionBits: z.optional(integer(0, 8)),
  hashBits: z.optional(integer(0, 64)),
  poison: z.optional(z.boolean()),
  disabledRules: z.optional(z.union([z.literal('all'), z.array(z.string())])),
  ioFaults: z.optional(z.custom<TestingOptions['ioFaults']>()),
  outputFault: z.optional(z.custom<TestingOptions['outputFault']>()),
  reservationFault: z.optional(z.custom<TestingOptions['reservationFault']>()),
  refuseProbability: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
  spillRequestEvery: z.optional(z.int().check(z.minimum(1))),
  workerFault: z.optional(z.custom<TestingOptions['workerFault']>()),
  sortFanIn: z.optional(z.int().check(z.minimum(2))),
  joinFilters: z.optional(z.boolean()),
  budgetPages: z.optional(z.int().check(z.positive())),
})

const integer = (min: number, max = Number.MAX_SAFE_INTEGER) => z.int().check(z.minimum(min), z.maximum(max))
const byteSize = () => z.union([z.number().check(z.positive()), z.string()])

const engineShape = () => ({
  /**
   * Upper bound of the process's resident memory: "512MB" = 512·10⁶, "512MiB", or bytes. Default 70 % of the memory.
   */
  memoryLimit: z.optional(byteSize()),
  /** Worker threads. Default: the cores this process may use. */
  threads: z.optional(integer(1, THREADS_MAX)),
  /** Where to spill; must be on a disk. */
  tempDir: z.optional(z.string().check(z.minLength(1))),
  /** Accepts a tempDir that lies in memory. */
  allowTmpfs: z.optional(z.boolean()),
  /** Bound on the spill files of one query. Default 90 % of the free disk. */
  maxSpillBytes: z.optional(byteSize()),
  /** Refuses plans with an operator whose memory has no bound. */
  strict: z.optional(z.boolean()),
  /** Settings for tests; not part of the stable interface. */
  testing: z.optional(z.strictObject(testingShape())),
})

const queryShape = () => ({
  ...engineShape(),
  /** `auto` and `streaming` spill; `in-memory` runs the same operators and fails instead of spilling. */
  engine: z.optional(z.enum(['auto', 'streaming', 'in-memory'])),
  signal: z.optional(z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'must be an AbortSignal')),
  onProgress: z.optional(
    z.custom<(progress: Progress) => void>((value) => typeof value === 'function', 'must be a function'),
  ),
})

function isTextByKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((each) => typeof each === 'string')
}

const batchesShape = () => ({
  ...queryShape(),
  /** Bytes of a batch at most ("16MB", or a number); a row that has more is a batch of its own. */
  maxBatchBytes: z.optional(byteSize()),
  /** Chooses the rows of each batch; the default adapts to memory and to the pace of the program. */
  chunkStrategy: z.optional(
    z.custom<ChunkStrategy>(
      (value) => typeof (value as ChunkStrategy | null)?.nextRows === 'function',
      'must have a function nextRows',
    ),
  ),
})

const sinkParquetShape = () => ({
  ...queryShape(),
  compression: z.optional(z.enum(['snappy', 'zstd', 'lz4', 'lz4Raw', 'gzip', 'brotli', 'uncompressed'])),
  /** zstd 1 … 22, gzip 0 … 9, brotli 0 … 11. */
  compressionLevel: z.optional(z.int()),
  /** Bounds and null counts of chunks and pages. Default true. */
  statistics: z.optional(z.boolean()),
  /**
   * Most rows of a row group, 131,072 by default, and exactly as many as long as one worker has rows for it. Fewer in
   * the last row group of each worker; where the rows have an order, also where another worker read the ones that
   * follow; and where memory ends a row group early.
   */
  rowGroupSize: z.optional(integer(1)),
  /** Bytes of a data page before compression, 1 MiB by default; a page also ends after 20,000 rows. */
  dataPageSize: z.optional(integer(1, DATA_PAGE_BYTES_MAX)),
  /** Names of columns that get a Bloom filter in each row group. */
  bloomFilter: z.optional(z.array(z.string())),
  /** Texts by key, kept in the file's footer. The key `ARROW:schema` is taken. */
  keyValueMetadata: z.optional(
    // Not z.record, which loses the key "__proto__".
    z.custom<Readonly<Record<string, string>>>(isTextByKey, 'must be an object whose values are texts'),
  ),
})

const sinkIpcShape = () => ({
  ...queryShape(),
  /**
   * Most rows of a record batch, 65,536 by default. Fewer where their strings pass 32 bytes on average, where a small
   * memory limit gives less room, and, as with row groups of `sinkParquet`, where a worker's share ends.
   */
  recordBatchSize: z.optional(integer(1)),
})

const explainShape = () => ({
  ...queryShape(),
  optimized: z.optional(z.boolean()),
  physical: z.optional(z.boolean()),
  /** What the query is going to end in: floor and memory differ. Default `batches`. */
  sink: z.optional(z.enum(['collect', 'batches', 'parquet', 'ipc'])),
})

export const engineSchema = madeOnce(() => z.strictObject(engineShape()))
export const querySchema = madeOnce(() => z.strictObject(queryShape()))
export const batchesSchema = madeOnce(() => z.strictObject(batchesShape()))
export const sinkParquetSchema = madeOnce(() => z.strictObject(sinkParquetShape()))
export const sinkIpcSchema = madeOnce(() => z.strictObject(sinkIpcShape()))
export const explainSchema = madeOnce(() => z.strictObject(explainShape()))

export type EngineOptions = z.input<ReturnType<typeof engineSchema>>
export type QueryOptions = z.input<ReturnType<typeof querySchema>>
export type CollectBatchesOptions = z.input<ReturnType<typeof batchesSchema>>
export type SinkParquetOptions = z.input<ReturnType<typeof sinkParquetSchema>>
export type SinkIpcOptions = z.input<ReturnType<typeof sinkIpcSchema>>
export type ExplainOptions = z.input<ReturnType<typeof explainSchema>>

/** Names of the options that every query has. */
export const queryOptionNames = madeOnce((): ReadonlySet<string> => new Set(Object.keys(queryShape())))

/** A schema is made when options are first checked against it: most programs use one or two of them. */
export function madeOnce<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Given with each call: zod's own setting of a language belongs to the program. */
const { localeError } = english()

/** @throws PlanError INVALID_OPTION naming the option and what is wrong with it */
export function parseOptions<T>(schema: () => z.ZodMiniType<T>, options: unknown, where: string): T {
  const parsed = schema().safeParse(options ?? {}, { error: localeError })
  if (parsed.success) return parsed.data
  throw makeError('INVALID_OPTION', `Invalid option of ${where}:\n${z.prettifyError(parsed.error)}`, { where })
}

type Environment = Readonly<Record<string, string | undefined>>

/** Query over engine over environment over defaults. */
export function resolveOptions(query: QueryOptions, engine: EngineOptions, env: Environment): CoreOptions {
  const limit = query.memoryLimit ?? engine.memoryLimit ?? (env['SPILLWAY_MEMORY_LIMIT'] || undefined)
  const maxSpill = query.maxSpillBytes ?? engine.maxSpillBytes
  return {
    mode: query.engine === 'in-memory' ? 'in-memory' : 'streaming',
    memoryLimitBytes:
      limit === undefined
        ? Math.floor(systemMemoryBytes() * DEFAULT_MEMORY_SHARE)
        : parseByteSize(limit, 'memoryLimit'),
    threads: query.threads ?? resolveThreads(engine, env),
    tempDir: query.tempDir ?? engine.tempDir ?? (env['SPILLWAY_TEMP_DIR'] || undefined),
    allowTmpfs: query.allowTmpfs ?? engine.allowTmpfs ?? false,
    maxSpillBytes: maxSpill === undefined ? undefined : parseByteSize(maxSpill, 'maxSpillBytes'),
    strict: query.strict ?? engine.strict ?? false,
    signal: query.signal,
    onProgress: query.onProgress,
    isVerbose: isOn(env['SPILLWAY_VERBOSE']),
    testing: withoutUndefined({ ...noTesting }, { ...engine.testing, ...query.testing }),
  }
}

/** Workers of an engine. */
export function resolveThreads(engine: EngineOptions, env: Environment): number {
  if (engine.threads !== undefined) return engine.threads
  const text = env['SPILLWAY_THREADS']
  if (text === undefined || text === '') return Math.min(availableParallelism(), THREADS_MAX)
  const threads = Number(text)
  if (Number.isInteger(threads) && threads >= 1 && threads <= THREADS_MAX) return threads
  throw makeError(
    'INVALID_OPTION',
    `Invalid SPILLWAY_THREADS: "${text}". Give an integer from 1 to ${THREADS_MAX}.`,
    {},
  )
}

function isOn(text: string | undefined): boolean {
  return text !== undefined && text !== '' && text !== '0' && text !== 'false'
}

/** `changes` over `defaults`, where undefined changes nothing. */
function withoutUndefined(defaults: TestingOptions, changes: Readonly<Record<string, unknown>>): TestingOptions {
  return Object.assign(defaults, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)))
}
