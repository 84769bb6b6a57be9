export * as wasm from './wasm/instructions.ts'
export * from './wasm/module-builder.ts'
