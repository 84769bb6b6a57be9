// The types of the published package: one file that holds what users can reach of all workspace packages, so that
// nothing is imported but apache-arrow. It is written twice, because TypeScript takes the kind of a module from the
// name of its types.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const dist = join(root, 'packages/spillway/dist')

export const typeFiles = ['spillway.d.ts', 'spillway.d.cts']

/** Workspace packages are found by their manifests; rollup itself knows nothing of node_modules. */
const workspaceTypes = {
  name: 'workspace-types',
  resolveId(id) {
    const [, folder, entry = ''] = /^@spillway\/([a-z]+)(\/.*)?$/.exec(id) ?? []
    if (folder === undefined) return null
    const base = join(root, 'packages', folder)
    const { exports } = JSON.parse(readFileSync(join(base, 'package.json'), 'utf8'))
    return join(base, exports[`.${entry}`].types)
  },
}

/** Writes the types beside the bundles; ends with an error when they import what the package does not depend on. */
export async function writeTypes(outside) {
  const bundle = await rollup({
    input: join(dist, 'index.d.ts'),
    external: (id) => outside.includes(id) || id.startsWith('node:'),
    plugins: [workspaceTypes, dts({ respectExternal: true })],
    onwarn: (warning) => {
      throw Error(`pack: types: ${warning.message}`)
    },
  })
  const { output } = await bundle.generate({ format: 'esm' })
  await bundle.close()
  const text = output[0].code
  const imported = [...text.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)].map(([, a, b]) => a ?? b)
  const unknown = imported.filter((name) => !outside.includes(name))
  if (unknown.length > 0) throw Error(`pack: the types import ${[...new Set(unknown)].join(', ')}`)
  for (const file of typeFiles) writeFileSync(join(dist, file), text)
}
