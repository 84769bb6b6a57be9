export * from './expr-node.ts'
export * from './logical-node.ts'
