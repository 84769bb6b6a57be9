/** The instance of parquet-wasm of a thread: one per thread, shared by its decoders and its encoder. */
import { initSync } from 'parquet-wasm/esm'

/** Instantiates parquet-wasm on this thread unless that was done before; gives its memory. */
export function openParquetWasm(module: WebAssembly.Module): WebAssembly.Memory {
  return initSync({ module }).memory
}
