/**
 * Loads kernels.wasm and binds it to an arena. The module is compiled once per isolate (or received from another one:
 * a WebAssembly.Module crosses threads); an instance is made per thread.
 */
import type { CastKernels } from './cast-kernels.ts'
import type { DecimalKernels } from './decimal-kernels.ts'
import type { JoinKernels } from './join-kernels.ts'
import type { IpcKernels } from './ipc-kernels.ts'
import { readKernels } from './kernels-file.ts'
import type { ArenaKernels, ConvertKernels, StringKernels } from './kernels.ts'
import type { ParquetCodecKernels } from './parquet-codec-kernels.ts'
import type { ParquetDecodeKernels } from './parquet-decode-kernels.ts'
import type { InflateKernels } from './parquet-inflate-kernels.ts'
import type { ParquetEncodeKernels } from './parquet-encode-kernels.ts'
import type { ZstdKernels } from './parquet-zstd-kernels.ts'
import type { RowKernels } from './row-kernels.ts'
import type { SortKernels } from './sort-kernels.ts'
import type { SumKernels } from './sum-kernels.ts'
import type { TouchKernels } from './touch-kernels.ts'
import type { VerdictKernels } from './verdict-kernels.ts'

/** Every export of kernels.wasm. */
export interface KernelExports
  extends ArenaKernels,
    ConvertKernels,
    StringKernels,
    CastKernels,
    DecimalKernels,
    RowKernels,
    JoinKernels,
    SortKernels,
    IpcKernels,
    ParquetCodecKernels,
    ParquetDecodeKernels,
    ZstdKernels,
    SumKernels,
    TouchKernels,
    VerdictKernels,
    InflateKernels,
    ParquetEncodeKernels {}

let compiled: WebAssembly.Module | undefined

/** The compiled kernels, read and compiled synchronously on first use. */
export function kernelsModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readKernels())
  return compiled
}

/**
 * Binds the kernels to an arena. Writes only constants (page 0), so any thread may do it at any time.
 * @param memory shared, at least 2 pages, any maximum
 */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports
}
