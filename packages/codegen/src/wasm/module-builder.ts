/**
 * Encodes a WebAssembly module: imported shared memory, imported kernel functions, our functions.
 * Source: WebAssembly Core Specification 2.0, section 5.5 (modules), and the threads proposal for shared memories.
 */
import { assert, makeError } from '@spillway/stdx'
import { type Code, unsignedLeb, type ValueType, valueTypeByte } from './instructions.ts'

export interface Signature {
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

/** What engines allow a function (WebAssembly JavaScript Interface, limits). */
const LOCALS_MAX = 50_000

/** Collects the locals and body of one function. Parameters are locals 0 … n-1. */
export class FunctionBuilder {
  readonly index: number
  readonly signature: Signature
  readonly #locals: ValueType[] = []
  readonly #body: Code[] = []

  constructor(index: number, signature: Signature) {
    this.index = index
    this.signature = signature
  }

  /** Adds a local, zero at entry. Returns its index. */
  local(type: ValueType): number {
    this.#locals.push(type)
    return this.signature.params.length + this.#locals.length - 1
  }

  /** Appends statements to the body. */
  emit(...code: readonly Code[]): void {
    this.#body.push(code)
  }

  /** The function's entry of the code section. @throws PlanError INVALID_PLAN when it needs too many locals */
  encode(): number[] {
    if (this.signature.params.length + this.#locals.length > LOCALS_MAX) {
      const text = `Expression too large: it needs more than ${LOCALS_MAX} intermediate values.`
      throw makeError('INVALID_PLAN', `${text} Compute parts of it with withColumns() and collect() first.`, {})
    }
    const bytes: number[] = [...unsignedLeb(this.#locals.length)]
    for (const type of this.#locals) bytes.push(1, valueTypeByte[type])
    flatten(this.#body, bytes)
    bytes.push(0x0b)
    return bytes
  }
}

interface Import {
  readonly name: string
  readonly typeIndex: number
}

export class ModuleBuilder {
  readonly #types: string[] = []
  readonly #typeBytes: number[][] = []
  readonly #imports: Import[] = []
  readonly #functions: FunctionBuilder[] = []
  readonly #exports: { name: string; index: number }[] = []

  /** Index of the kernel function `kernel.<name>`. All imports come before the first `addFunction`. */
  importKernel(name: string, signature: Signature): number {
    const known = this.#imports.findIndex((entry) => entry.name === name)
    if (known >= 0) return known
    assert(this.#functions.length === 0, 'kernels are imported before functions are added')
    this.#imports.push({ name, typeIndex: this.#typeIndex(signature) })
    return this.#imports.length - 1
  }

  /** Adds a function; exported when `exportName` is given. */
  addFunction(signature: Signature, exportName?: string): FunctionBuilder {
    const builder = new FunctionBuilder(this.#imports.length + this.#functions.length, signature)
    this.#typeIndex(signature)
    this.#functions.push(builder)
    if (exportName !== undefined) this.#exports.push({ name: exportName, index: builder.index })
    return builder
  }

  /**
   * The module's bytes. It imports `env.memory` (shared, maximum 65,536 pages) and `kernel.*`.
   */
  encode(): Uint8Array<ArrayBuffer> {
    const functionTypes = this.#functions.map((entry) => this.#typeIndex(entry.signature))
    const bytes: number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
    section(bytes, 1, vector(this.#typeBytes))
    const memoryImport = [...text('env'), ...text('memory'), 0x02, 0x03, ...unsignedLeb(0), ...unsignedLeb(65536)]
    const kernelImports = this.#imports.map((entry) => [
      ...text('kernel'),
      ...text(entry.name),
      0x00,
      ...unsignedLeb(entry.typeIndex),
    ])
    section(bytes, 2, vector([memoryImport, ...kernelImports]))
    section(bytes, 3, vector(functionTypes.map(unsignedLeb)))
    section(bytes, 7, vector(this.#exports.map((entry) => [...text(entry.name), 0x00, ...unsignedLeb(entry.index)])))
    section(
      bytes,
      10,
      vector(
        this.#functions.map((entry) => {
          const body = entry.encode()
          return [...unsignedLeb(body.length), ...body]
        }),
      ),
    )
    return Uint8Array.from(bytes)
  }

  #typeIndex(signature: Signature): number {
    const key = `${signature.params.join()}>${signature.results.join()}`
    const known = this.#types.indexOf(key)
    if (known >= 0) return known
    this.#types.push(key)
    this.#typeBytes.push([
      0x60,
      ...vector(signature.params.map((type) => [valueTypeByte[type]])),
      ...vector(signature.results.map((type) => [valueTypeByte[type]])),
    ])
    return this.#types.length - 1
  }
}

function flatten(code: Code, out: number[]): void {
  if (typeof code === 'number') out.push(code)
  else for (const part of code) flatten(part, out)
}

function vector(entries: readonly (readonly number[])[]): number[] {
  const out = unsignedLeb(entries.length)
  for (const entry of entries) for (const byte of entry) out.push(byte)
  return out
}

function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value)
  return [...unsignedLeb(bytes.length), ...bytes]
}

function section(out: number[], id: number, body: readonly number[]): void {
  out.push(id, ...unsignedLeb(body.length))
  for (const byte of body) out.push(byte)
}
