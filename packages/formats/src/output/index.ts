/** Files that workers write together. */
export * from './output-file.ts'
export { outputCalls, type OutputFault } from './output-calls.ts'
