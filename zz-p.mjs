import { DataFrame, scanParquet, col } from 'spillway'
const W = Number(process.argv[2] ?? 4000), R = 50
const make = {}; for (let i = 0; i < W; i++) { const a = new Float64Array(R); for (let r = 0; r < R; r++) a[r] = r * i; make['c' + i] = a }
let t = performance.now(); await new DataFrame(make).lazy().sinkParquet('/tmp/zz-p.parquet'); console.log('sink', Math.round(performance.now() - t))
t = performance.now(); const r = await scanParquet('/tmp/zz-p.parquet').filter(col('c5').gt(100)).collect(); console.log('collect', Math.round(performance.now() - t), r.height)
process.exit(0)
