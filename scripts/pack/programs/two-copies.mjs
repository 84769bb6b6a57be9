// Three copies in one process: ES module, CommonJS, and another installation. They run at the same time, under limits.
import { cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tableToIPC } from 'apache-arrow'
import * as imported from 'spillway'
import exercise from './exercise.mjs'

const require = createRequire(import.meta.url)
const required = require('spillway')
cpSync('node_modules/spillway', 'other/node_modules/spillway', { recursive: true })
const other = await import(new URL('./other/node_modules/spillway/dist/spillway.js', import.meta.url))
const copies = [imported, required, other]
if (new Set(copies.map(({ LazyFrame }) => LazyFrame)).size !== 3) throw new Error('the copies are one')
const limits = { memoryLimit: '800MB', threads: 1 }
const tables = await Promise.all(copies.map((copy, at) => exercise(copy, `copy-${at}-${process.pid}.parquet`, limits)))
console.log('bytes', tableToIPC(tables[0]).length, require('apache-arrow').tableToIPC(tables[1]).length)

try {
  imported.LazyFrame({ a: [1] }).filter(required.col('a').gt(0))
  throw new Error('expressions of two copies are mixed')
} catch (error) {
  if (error.code !== 'TYPE_MISMATCH' || !/another copy of spillway/.test(error.message)) throw error
}
