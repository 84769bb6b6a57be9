/**
 * The apache-arrow library, loaded at its first use: it costs 17 MB and some 100 ms, and most programs never ask for an
 * Arrow object. The calls that need it are synchronous, so it is required, not imported.
 *
 * The library exists twice, as ES module and as CommonJS, and the two copies do not write each other's tables. Programs
 * mostly import it, so the ES module copy is taken: `require` loads it where Node allows that (20.19 and later).
 */
import { createRequire } from 'node:module'
import type * as Arrow from 'apache-arrow'

let loaded: typeof Arrow | undefined

/** The library; the same copy that `import 'apache-arrow'` gives. */
export function arrowLibrary(): typeof Arrow {
  loaded ??= loadModuleCopy()
  // Not kept: the next call may find the module copy ready.
  return loaded ?? createRequire(import.meta.url)('apache-arrow')
}

/**
 * Undefined where Node does not require ES modules, and while the program's own `import('apache-arrow')` is on its
 * way. The CommonJS copy stands in then: it reads the same, and only what writes tables tells the difference.
 */
function loadModuleCopy(): typeof Arrow | undefined {
  const require = createRequire(import.meta.url)
  try {
    return require(require.resolve('apache-arrow').replace(/\.js$/, '.mjs')) as typeof Arrow
  } catch {
    return undefined
  }
}
