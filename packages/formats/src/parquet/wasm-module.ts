/** parquet-wasm as a module that is compiled once, by the main thread, and instantiated once per thread. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { initSync } from 'parquet-wasm/esm'

let compiled: Promise<WebAssembly.Module> | undefined

/** Compiles parquet-wasm on the first call; the module is sent to the workers. Main thread. */
export function parquetWasmModule(): Promise<WebAssembly.Module> {
  compiled ??= readFile(createRequire(import.meta.url).resolve('parquet-wasm/esm/parquet_wasm_bg.wasm')).then((bytes) =>
    WebAssembly.compile(bytes),
  )
  return compiled
}

/** Instantiates parquet-wasm on this thread unless that was done before; gives its memory. */
export function openParquetWasm(module: WebAssembly.Module): WebAssembly.Memory {
  return initSync({ module }).memory
}
