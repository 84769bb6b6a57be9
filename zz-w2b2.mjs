import { readFileSync } from 'node:fs'
let last=0; const t0=performance.now()
setInterval(()=>{const s=readFileSync('/proc/self/status','utf8');const g=k=>Number(new RegExp(k+':\\s+(\\d+)').exec(s)[1])/1e3;const h=g('VmHWM');if(h>last+1.5){last=h;const m=process.memoryUsage();console.error(Math.round(performance.now()-t0),'hwm',h,'rss',g('VmRSS'),'anon',g('RssAnon'),'heap',m.heapTotal/1e6|0, globalThis.phase)}},2).unref()
