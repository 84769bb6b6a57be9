/**
 * Options of an engine and of one query: validated once, merged (query over engine over environment over defaults).
 */
import { availableParallelism } from 'node:os'
import { noTesting, type Progress, type QueryOptions as CoreOptions, type TestingOptions } from '@spillway/engine'
import { parseByteSize, systemMemoryBytes } from '@spillway/memory'
import { makeError } from '@spillway/stdx'
import { z } from 'zod'

/** Share of the machine's (or container's) memory that queries may use when nothing is said. */
const DEFAULT_MEMORY_SHARE = 0.7
const THREADS_MAX = 256
const DATA_PAGE_BYTES_MAX = 1 << 24

const byteSize = z.union([z.number().positive(), z.string()])

const testingShape = {
  forceSpill: z.boolean().optional(),
  batchRows: z.int().min(1).max(65_536).optional(),
  morselRows: z.int().min(1).optional(),
  partitionBits: z.int().min(0).max(8).optional(),
  hashBits: z.int().min(0).max(64).optional(),
  poison: z.boolean().optional(),
  disabledRules: z.union([z.literal('all'), z.array(z.string())]).optional(),
  ioFaults: z.custom<TestingOptions['ioFaults']>().optional(),
  reservationFault: z.custom<TestingOptions['reservationFault']>().optional(),
  refuseProbability: z.number().min(0).max(1).optional(),
  workerFault: z.custom<TestingOptions['workerFault']>().optional(),
  budgetPages: z.int().positive().optional(),
}

const engineShape = {
  /**
   * Upper bound of the process's resident memory: "512MB" = 512·10⁶, "512MiB", or bytes. Default 70 % of the memory.
   */
  memoryLimit: byteSize.optional(),
  /** Worker threads. Default: the cores this process may use. */
  threads: z.int().min(1).max(THREADS_MAX).optional(),
  /** Where to spill; must be on a disk. */
  tempDir: z.string().min(1).optional(),
  /** Accepts a tempDir that lies in memory. */
  allowTmpfs: z.boolean().optional(),
  /** Bound on the spill files of one query. Default 90 % of the free disk. */
  maxSpillBytes: byteSize.optional(),
  /** Refuses plans with an operator whose memory has no bound. */
  strict: z.boolean().optional(),
  /** Settings for tests; not part of the stable interface. */
  testing: z.strictObject(testingShape).optional(),
}

const queryShape = {
  ...engineShape,
  /** `auto` and `streaming` spill; `in-memory` runs the same operators and fails instead of spilling. */
  engine: z.enum(['auto', 'streaming', 'in-memory']).optional(),
  signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'must be an AbortSignal').optional(),
  onProgress: z
    .custom<(progress: Progress) => void>((value) => typeof value === 'function', 'must be a function')
    .optional(),
}

const sinkParquetShape = {
  ...queryShape,
  compression: z.enum(['snappy', 'zstd', 'lz4', 'lz4Raw', 'gzip', 'brotli', 'uncompressed']).optional(),
  compressionLevel: z.int().optional(),
  statistics: z.boolean().optional(),
  /** Rows of a row group, about 128 k by default. */
  rowGroupSize: z.int().min(1).optional(),
  /** Bytes of a data page before compression, 1 MiB by default; a page also ends after 20,000 rows. */
  dataPageSize: z.int().min(1).max(DATA_PAGE_BYTES_MAX).optional(),
  /** Names of columns that get a Bloom filter in each row group. */
  bloomFilter: z.array(z.string()).optional(),
}

const explainShape = {
  ...queryShape,
  optimized: z.boolean().optional(),
  physical: z.boolean().optional(),
  /** What the query is going to end in: floor and memory differ. Default `batches`. */
  sink: z.enum(['collect', 'batches', 'parquet']).optional(),
}

const batchesShape = { ...queryShape }

export const engineSchema = z.strictObject(engineShape)
export const querySchema = z.strictObject(queryShape)
export const sinkParquetSchema = z.strictObject(sinkParquetShape)
export const explainSchema = z.strictObject(explainShape)
export const batchesSchema = z.strictObject(batchesShape)

export type EngineOptions = z.input<typeof engineSchema>
export type QueryOptions = z.input<typeof querySchema>
export type SinkParquetOptions = z.input<typeof sinkParquetSchema>
export type ExplainOptions = z.input<typeof explainSchema>

/** @throws PlanError INVALID_OPTION naming the option and what is wrong with it */
export function parseOptions<T>(schema: z.ZodType<T>, options: unknown, where: string): T {
  const parsed = schema.safeParse(options ?? {})
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
