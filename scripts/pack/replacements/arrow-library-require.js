// Takes the place of packages/columnar/src/arrow-bridge/arrow-library.ts in the CommonJS module: whoever requires
// Spillway requires apache-arrow, and both have the same copy.
import { arrowMissing } from './arrow-missing.js'

export function arrowLibrary() {
  try {
    return require('apache-arrow')
  } catch (cause) {
    throw arrowMissing(cause)
  }
}
