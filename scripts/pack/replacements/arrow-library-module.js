// Takes the place of packages/columnar/src/arrow-bridge/arrow-library.ts in the ES module. As there, the copy of the
// library that programs import is preferred; the way to it leads over a module that imports it.
import { createRequire } from 'node:module'
import { arrowMissing } from './arrow-missing.js'

let loaded

// Loaded early where it cannot be loaded when it is asked for, or would be another copy than the program's own.
if (mustImport()) {
  import('./spillway-arrow.js').then(
    (library) => {
      loaded = library
    },
    // Whoever asks for it is told.
    () => undefined,
  )
}

export function arrowLibrary() {
  loaded ??= tryLoad(spillwayBundledArrow) ?? tryLoad(() => createRequire(import.meta.url)('./spillway-arrow.js'))
  // Not kept: the next call may find the module copy ready.
  return loaded ?? loadOtherCopy()
}

/** Webpack, whose modules `require` does not see; Jest, whose `require` takes no ES modules; Node before 22.12. */
function mustImport() {
  if (typeof __webpack_require__ === 'function' || process.env.JEST_WORKER_ID !== undefined) return true
  return !spillwayHasRequire && process.features.require_module !== true
}

/** Undefined also while the program's own import of the library is on its way. */
function tryLoad(load) {
  try {
    return load()
  } catch {
    return undefined
  }
}

/** What the output of a bundler finds beside itself. */
function loadOtherCopy() {
  const require = createRequire(import.meta.url)
  try {
    return tryLoad(() => require(require.resolve('apache-arrow').replace(/\.js$/, '.mjs'))) ?? require('apache-arrow')
  } catch (cause) {
    throw arrowMissing(cause)
  }
}
