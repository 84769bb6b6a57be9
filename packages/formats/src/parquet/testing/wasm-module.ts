/**
 * parquet-wasm as a module that is compiled once, by the main thread. Its glue code is for workers (codec-memory.ts).
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

let compiled: Promise<WebAssembly.Module> | undefined

/** Compiles parquet-wasm on the first call; the module is sent to the workers. Main thread. */
export function parquetWasmModule(): Promise<WebAssembly.Module> {
  compiled ??= readFile(createRequire(import.meta.url).resolve('parquet-wasm/esm/parquet_wasm_bg.wasm')).then((bytes) =>
    WebAssembly.compile(bytes),
  )
  return compiled
}
