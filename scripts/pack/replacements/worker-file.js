// Takes the place of packages/engine/src/worker-file.ts: the name under which the published worker has its handler from
// the start, see worker.js.
export const workerFile = 'spillway-worker'
