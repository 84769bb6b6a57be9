// Makes packages/spillway ready to be packed by npm, and undoes it: npm runs this before and after (`prepack`,
// `postpack`). `pack.mjs publish` installs and builds first; SPILLWAY_IS_BUILT=1 says that the caller has done that.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { restore } from './pack/restore.mjs'

const here = dirname(fileURLToPath(import.meta.url))

function build() {
  for (const script of ['setup.mjs', 'build.mjs']) {
    // What npm prints on its standard output is the name of the tarball, and nothing else.
    const { status } = spawnSync(process.execPath, [join(here, script)], { stdio: ['ignore', 2, 2] })
    if (status !== 0) process.exit(status ?? 1)
  }
}

const step = process.argv[2]
if (step === 'publish') {
  if (process.env.SPILLWAY_IS_BUILT !== '1') build()
  // Loaded now: before, the packages that they import may not have been there.
  const { writeBundles } = await import('./pack/bundles.mjs')
  const { publish } = await import('./pack/manifest.mjs')
  const { writeTypes } = await import('./pack/types.mjs')
  const parts = await writeBundles()
  await writeTypes(parts.outside)
  publish(parts)
} else if (step === 'restore') {
  restore()
} else {
  console.error('pack: say "publish" or "restore"')
  process.exit(1)
}
