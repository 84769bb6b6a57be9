// The package as CommonJS. The program's own copy of apache-arrow writes the tables that it gives.
const { tableToIPC } = require('apache-arrow')
const spillway = require('spillway')
const { default: exercise } = require('./exercise.cjs')

exercise(spillway, `require-${process.pid}.parquet`).then((table) => console.log('bytes', tableToIPC(table).length))
