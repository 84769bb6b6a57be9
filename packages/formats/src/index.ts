export * from './ipc/index.ts'
export * from './parquet/index.ts'
