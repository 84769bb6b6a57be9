// The manifest and the papers of the published package. They stand in packages/spillway only while npm packs it:
// `publish` puts them there, `restore` takes them away.
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { folder, kept, manifest, restore } from './restore.mjs'
import { typeFiles } from './types.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/**
 * The published form of the workspace's manifest.
 * @param outside names of the packages that are not in the bundles
 * @param files names of the files of `dist`; README and LICENSE npm takes by itself
 */
export function publishedManifest(workspace, outside, files) {
  const { name, version, license, description, keywords, repository, homepage, bugs, engines } = workspace
  const dependencies = outside.map((dependency) => {
    const range = workspace.dependencies[dependency]
    if (range === undefined)
      throw Error(`pack: the bundles need ${dependency}, which packages/spillway does not declare`)
    // Whoever has a newer one that is compatible shares it with us.
    return [dependency, /^\d/.test(range) ? `^${range}` : range]
  })
  return {
    ...{ name, version, description, license, keywords, homepage, bugs, repository, engines },
    ...{ type: 'module', main: './dist/spillway.cjs', module: './dist/spillway.js', types: './dist/spillway.d.ts' },
    exports: {
      '.': {
        import: { types: './dist/spillway.d.ts', default: './dist/spillway.js' },
        require: { types: './dist/spillway.d.cts', default: './dist/spillway.cjs' },
      },
      './package.json': './package.json',
    },
    files: [...[...files, ...typeFiles].map((file) => `dist/${file}`), 'CHANGELOG.md', 'THIRD-PARTY-LICENSES.md'],
    sideEffects: false,
    dependencies: Object.fromEntries(dependencies),
  }
}

/** Links of a page of the repository, as they are from outside of it. */
export function absoluteLinks(text, repositoryUrl, directory = '') {
  const base = repositoryUrl.replace(/^git\+/, '').replace(/\.git$/, '')
  const place = (path) => {
    const { pathname, hash } = new URL(path, `file:///${directory}`)
    return `${pathname}${hash}`
  }
  return text.replace(/\]\((?![a-z]+:|#)([^)\s]+)\)/g, (_, path) => `](${base}/blob/main${place(path)})`)
}

/** The licences of the packages whose code is in the bundles. */
function licencesOf(inside) {
  const parts = inside.sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
    const file = readdirSync(path).find((each) => /^licen[cs]e/i.test(each))
    if (file === undefined) throw Error(`pack: ${name} has no licence file`)
    const text = readFileSync(join(path, file), 'utf8').trim()
    return `## ${name} ${version} (${license})\n\n\`\`\`text\n${text}\n\`\`\`\n`
  })
  return `# Licences of the packages whose code is in this one\n\n${parts.join('\n')}`
}

/** Puts manifest and papers into the package's folder. */
export function publish({ inside, outside, files }) {
  restore()
  const workspace = JSON.parse(readFileSync(manifest, 'utf8'))
  const { url } = workspace.repository
  const page = (path, directory) => absoluteLinks(readFileSync(join(root, path), 'utf8'), url, directory)
  writeFileSync(join(folder, 'README.md'), page('README.md'))
  writeFileSync(join(folder, 'CHANGELOG.md'), page('docs/CHANGELOG.md', 'docs/'))
  writeFileSync(join(folder, 'LICENSE'), readFileSync(join(root, 'LICENSE')))
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.md'), licencesOf(inside))
  const published = JSON.stringify(publishedManifest(workspace, outside, files), undefined, 2)
  if (published.includes('workspace:')) throw Error('pack: the published manifest names the workspace')
  renameSync(manifest, kept)
  writeFileSync(manifest, `${published}\n`)
}
