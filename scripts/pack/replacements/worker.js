// The published worker: Piscina's part and ours in one file. Piscina finds our handler in its cache, under the name
// that `workerFile` has and that of a default export, so that nothing is looked up at run time.
import { handlerCache } from 'piscina-worker'
import runWorker from '../../../packages/engine/dist/worker/worker-main.js'
import { workerFile } from './worker-file.js'

handlerCache.set(`${workerFile}/default`, runWorker)
