// Compiled, not run: what the types of the published package say, with the checks of all declaration files on.
import type { Table } from 'apache-arrow'
import {
  col,
  createEngine,
  type DataFrame,
  DataType,
  LazyFrame,
  len,
  MemoryLimitError,
  scanParquet,
  sum,
} from 'spillway'
import type { EngineOptions, ScanParquetOptions, SpillwayError } from 'spillway'

const options: EngineOptions = { memoryLimit: '1GB', threads: 2 }
// @ts-expect-error: the name is not one of an option
const wrong: EngineOptions = { memoryLimits: '1GB' }

export async function revenue(path: string): Promise<number> {
  const engine = createEngine(options)
  const orders = scanParquet(path, { schema: { city: DataType.Utf8, price: DataType.Float64 } })
  const result = await orders
    .filter(col('price').gt(10))
    .groupBy('city')
    .agg(sum('price').alias('revenue'), len())
    .collect()
  const table: Table = result.toArrow()
  const first = result.toRecords()[0]
  // @ts-expect-error: the column holds text
  const wrongCity: number | null | undefined = first?.city
  const city: string | null | undefined = first?.city
  const price: number | null | undefined = first?.revenue
  for await (const batch of engine.scanParquet(path).collectBatches()) console.log(batch.numRows)
  await engine.close()
  return table.numRows + (price ?? 0) + (city?.length ?? 0) + (wrongCity ?? 0)
}

export const frame: Promise<DataFrame> = LazyFrame({ a: [1, 2] }).collect()
export const isLimit = (error: SpillwayError): error is MemoryLimitError => error instanceof MemoryLimitError
export const scanOptions: ScanParquetOptions = { nRows: 5 }
export { wrong }
