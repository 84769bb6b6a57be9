/** Files that workers write together. */
export { type CompleteFile, commitOutputFiles } from './commit-outputs.ts'
export * from './output-file.ts'
export { type OutputTarget, resolveOutputTarget, takeOver } from './output-target.ts'
export { OutputSync } from './output-sync.ts'
export { outputCalls, type OutputFault } from './output-calls.ts'
