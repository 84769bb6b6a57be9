export * from './control-block.ts'
export * from './protocol.ts'
export * from './worker-loop.ts'
export * from './worker-pool.ts'
