export * from './ipc/index.ts'
export * from './ipc/scan/index.ts'
export * from './output/index.ts'
export * from './parquet/index.ts'
