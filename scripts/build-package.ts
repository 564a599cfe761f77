/**
 * Builds what the package holds into `dist/package`: the server and `createMillrace` for Node, `createWorker` for Workers, the client and the
 * hook for pages, and their types. `npm pack` does so by itself (`prepack`).
 */
import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { buildEdge } from './build-edge.ts'
import { bundleNode } from './build-node.ts'
import { buildFolder } from './start.js'

const ROOT = join(import.meta.dirname, '..')
const PACKAGE = join(ROOT, 'dist', 'package')
/** Names what the build was made of; beside the package, which does not hold it. */
const BUILT_OF = join(ROOT, 'dist', 'package-built-of')
/** Inputs beside those of the server's build. */
const INPUTS = [
  'scripts/build-package.ts',
  'scripts/build-edge.ts',
  'tsconfig.json',
  'tsconfig.client.json',
  'tsconfig.package.json',
  'wrangler.toml',
]
/** Modules for Node, beside the server. */
const NODE_MODULES = { index: 'src/index.ts', 'node-version': 'src/drivers/node-version.js' }
/** Packages that a program shares with us: a schema or an app that it made must be of the same copy. */
const SHARED = ['zod', 'hono']
/** Modules that are sent to pages, and folders of them. */
const FOR_PAGES = ['backoff.js', 'client', 'react']
/** Modules whose types the package shows. */
const TYPED = ['index.d.ts', 'index-cloudflare.d.ts', 'client/index.d.ts', 'react/use-batch.d.ts']

const BIN = `#!/usr/bin/env node
// Starts the server, or runs one of its commands: millrace [keys | backup | restore] …
import { demandNode } from './node-version.mjs'
demandNode()
await import('./server.mjs')
`

const run = promisify(execFile)
const tsc = (...args: string[]) =>
  run(
    process.execPath,
    [join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc'), ...args],
    {
      cwd: ROOT,
    },
  )

/** Compiles the client and the hook, module by module. What they know types of alone is compiled with them, and not kept. */
async function buildPages(): Promise<void> {
  const pages = join(PACKAGE, 'pages')
  await tsc('-p', 'tsconfig.client.json', '--outDir', pages, '--declaration', 'false')
  for (const name of await readdir(pages)) {
    if (!FOR_PAGES.includes(name)) await rm(join(pages, name), { recursive: true })
  }
}

/** Writes the types that are reached from the modules of the package, and no others. */
async function buildTypes(): Promise<void> {
  const all = join(PACKAGE, 'all-types')
  await tsc('-p', 'tsconfig.package.json', '--outDir', all)
  const reached = new Set<string>()
  const visit = async (file: string): Promise<void> => {
    if (reached.has(file)) return
    reached.add(file)
    const text = await readFile(file, 'utf8')
    for (const [, path = ''] of text.matchAll(/(?:from |import\()["'](\.[^"']+)["']/g)) {
      await visit(join(dirname(file), path.replace(/\.(?:js|ts)$/, '.d.ts')))
    }
  }
  for (const name of TYPED) await visit(join(all, name))
  for (const file of reached) {
    const target = join(PACKAGE, 'types', relative(all, file))
    await mkdir(dirname(target), { recursive: true })
    const text = await readFile(file, 'utf8')
    await writeFile(target, text.replace(/((?:from |import\()["']\.[^"']+)\.ts(["'])/g, '$1.js$2'))
  }
  await rm(all, { recursive: true })
}

/** Removes the maps of what was bundled: they are larger than it, and name sources that the package does not hold. */
async function removeMaps(folder: string): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    if (name.endsWith('.map')) await rm(join(folder, name))
  }
}

/** Names the sources as they are, by their content. */
async function fingerprint(): Promise<string> {
  const inputs = await Promise.all(INPUTS.map((path) => readFile(join(ROOT, path), 'utf8')))
  return hash('sha256', [basename(buildFolder(ROOT)), ...inputs].join('\n'))
}

/** Builds the package, unless the one that is there is of the sources as they are. */
export async function buildPackage(): Promise<void> {
  const made = await fingerprint()
  if ((await readFile(BUILT_OF, 'utf8').catch(() => '')) === made) return
  await Promise.all([rm(PACKAGE, { recursive: true, force: true }), rm(BUILT_OF, { force: true })])
  const node = join(PACKAGE, 'node')
  const edge = join(PACKAGE, 'edge')
  await Promise.all([
    bundleNode(node, ROOT, { entryPoints: NODE_MODULES, external: SHARED, bundleReader: true }),
    buildEdge(edge, { index: 'src/index-worker.ts', cloudflare: 'src/index-cloudflare.ts' }, SHARED),
    buildPages(),
    buildTypes(),
  ])
  await Promise.all([removeMaps(node), removeMaps(edge)])
  await writeFile(join(node, 'millrace.mjs'), BIN)
  await chmod(join(node, 'millrace.mjs'), 0o755)
  await cp(join(ROOT, 'wrangler.toml'), join(PACKAGE, 'wrangler.example.toml'))
  await writeFile(BUILT_OF, made)
}

/**
 * Builds the package where need be, and packs it.
 * @param folder where the packed file is put
 * @returns its path
 */
export async function packPackage(folder: string): Promise<string> {
  await buildPackage()
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: ROOT,
  })
  return join(folder, stdout.trim())
}

if (import.meta.main) await buildPackage()
