// What a program reads when apache-arrow is not where the published package looks for it.
import { makeError } from '@spillway/stdx'

export function arrowMissing(cause) {
  const text = [
    'The package apache-arrow cannot be loaded.',
    'If the program was bundled, make "spillway" and "apache-arrow" external for the bundler and install both',
    'beside it; otherwise install spillway again.',
  ].join(' ')
  return makeError('PACKAGE_INCOMPLETE', text, { package: 'apache-arrow' }, { cause })
}
