export * from './batch-layout.ts'
export * from './data-type.ts'
export * from './schema.ts'
export * from './arrow-column.ts'
