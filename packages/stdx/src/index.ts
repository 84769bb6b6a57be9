export { assert, unreachable } from './assert.ts'
export * from './errors.ts'
