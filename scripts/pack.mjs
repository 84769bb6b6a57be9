// Makes packages/spillway ready to be packed by npm, and undoes it: npm runs this before and after (`prepack`,
// `postpack`). `pack.mjs publish` builds first; SPILLWAY_IS_BUILT=1 says that the caller has done that.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeBundles } from './pack/bundles.mjs'
import { publish, restore } from './pack/manifest.mjs'
import { writeTypes } from './pack/types.mjs'

const step = process.argv[2]
if (step === 'publish') {
  if (process.env.SPILLWAY_IS_BUILT !== '1') {
    const build = join(dirname(fileURLToPath(import.meta.url)), 'build.mjs')
    // What npm prints on its standard output is the name of the tarball, and nothing else.
    const { status } = spawnSync(process.execPath, [build], { stdio: ['ignore', 2, 2] })
    if (status !== 0) process.exit(status ?? 1)
  }
  const parts = await writeBundles()
  await writeTypes(parts.outside)
  publish(parts)
} else if (step === 'restore') {
  restore()
} else {
  console.error('pack: say "publish" or "restore"')
  process.exit(1)
}
