// The package as an ES module. The program's own copy of apache-arrow writes the tables that it gives.
import { tableToIPC } from 'apache-arrow'
import * as spillway from 'spillway'
import exercise from './exercise.mjs'

// No await at the top, which bundlers refuse in CommonJS.
exercise(spillway, `import-${process.pid}.parquet`).then((table) => console.log('bytes', tableToIPC(table).length))
