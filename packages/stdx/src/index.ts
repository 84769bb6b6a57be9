export { assert, unreachable } from './assert.ts'
export { addressSpaceError, isOutOfAddressSpace } from './address-space.ts'
export * from './error-envelope.ts'
export * from './errors.ts'
