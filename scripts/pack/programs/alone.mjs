// The package where apache-arrow is missing: queries run, and what needs an Arrow object says what to do.
import { createRequire } from 'node:module'
import * as imported from 'spillway'

for (const { LazyFrame } of [imported, createRequire(import.meta.url)('spillway')]) {
  const result = await LazyFrame({ a: [1, 2] }).collect()
  try {
    result.toArrow()
    throw new Error('a table without apache-arrow')
  } catch (error) {
    if (error.code !== 'PACKAGE_INCOMPLETE' || error.name !== 'ResourceError') throw error
  }
}
console.log('told')
