/**
 * Bundles the Node server into a folder: `server.mjs` with chunks that are loaded when they are needed, and under `compute/` what its child
 * processes run, which may read nothing else. As a command (`npm run build`, and `prepare`) it makes the build that `scripts/start.js` starts.
 */
import { randomUUID } from 'node:crypto'
import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'
import { buildFolder, isBuilt, isMain } from './start.js'

const ROOT = join(import.meta.dirname, '..')
/** Builds that are kept: servers that run on one load its chunks when they first need them. */
const MAX_BUILDS = 4
/** Age after which an unfinished build is one whose process was killed. */
const ABANDONED_MS = 10 * 60_000
const UNFINISHED = '.building-'

/** Replaces zod's messages in fifty languages, which are half of what would be read at each start, by the English ones. */
export const englishOnly: Plugin = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    }))
  },
}

/**
 * Keeps the clients for remote databases out of a start on a file: drizzle-orm imports them for URLs that it is never given, since
 * `src/drivers/db-libsql.ts` hands it a client.
 */
const noClientOfDrizzle: Plugin = {
  name: 'no-client-of-drizzle',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@libsql\/client$/ }, ({ importer }) =>
      /[/\\]drizzle-orm[/\\]/.test(importer) ? { path: 'none', namespace: 'no-client' } : undefined,
    )
    onLoad({ filter: /./, namespace: 'no-client' }, () => ({
      contents: "export function createClient() { throw new Error('drizzle-orm must be given a client.') }",
    }))
  },
}

/** Packages that stay outside: native code that is looked up by platform, and large ones that few servers load. */
const EXTERNAL = ['libsql', '@libsql/client', 'undici', '@opentelemetry/*']

/** Parts of a build that another one than the repository's own server has. */
export interface NodeBuildOptions {
  /** Modules beside the server, by name. */
  readonly entryPoints?: Readonly<Record<string, string>>
  /** Packages that stay outside beside the usual ones. */
  readonly external?: readonly string[]
  /** True to bundle what reads PDFs into the child processes, in place of copying its package. */
  readonly bundleReader?: boolean
}

/** Metadata that esbuild reports on each file of a build, by its path from the root. */
export type Outputs = Metafile['outputs']

/**
 * Bundles the server and its child processes.
 * @param folder is made; files in it are overwritten
 * @param root the repository, for tests that build a copy
 * @throws esbuild's BuildFailure, whose message names file and line
 */
export async function bundleNode(
  folder: string,
  root: string = ROOT,
  { entryPoints = {}, external = [], bundleReader = false }: NodeBuildOptions = {},
): Promise<Outputs> {
  const bundle = async (entryPoints: Record<string, string>, outdir: string, outside: readonly string[]) => {
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints,
      outdir,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node22.15',
      // Names stay: they stand in logs and stack traces.
      minifyWhitespace: true,
      minifySyntax: true,
      sourcemap: true,
      sourcesContent: false,
      legalComments: 'none',
      // Without them a build takes half as long.
      // Not @hono/otel: it reads what the app's own copy of hono keeps in a request under a symbol of that copy.
      external: [...EXTERNAL, ...outside],
      // CommonJS packages ask for Node's modules by require, and for their own folder. Some declare createRequire themselves.
      banner: {
        js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url),__dirname=import.meta.dirname;",
      },
      plugins: [englishOnly, noClientOfDrizzle],
      metafile: true,
      logLevel: 'silent',
    })
    return metafile.outputs
  }
  const reader = join(folder, 'compute')
  const [server, compute] = await Promise.all([
    bundle({ server: 'src/node.ts', ...entryPoints }, folder, ['unpdf', ...external]),
    bundle(
      { entry: 'src/drivers/compute-processes-entry.ts', tasks: 'src/node-tasks.ts' },
      reader,
      bundleReader ? [] : ['unpdf'],
    ),
    // Copied, so that its processes need to read nothing else: to bundle pdf.js takes longer than all the rest.
    bundleReader
      ? null
      : cp(join(root, 'node_modules', 'unpdf'), join(reader, 'node_modules', 'unpdf'), {
          recursive: true,
          dereference: true,
        }),
  ])
  return { ...server, ...compute }
}

/**
 * Makes the build of the sources as they are, unless there is one. Processes that do so at once do not disturb each other: each builds in a
 * folder of its own, and the first to end renames it.
 */
export async function buildNode(root: string = ROOT): Promise<void> {
  const target = buildFolder(root)
  if (isBuilt(target)) return
  const parent = join(target, '..')
  await mkdir(parent, { recursive: true })
  // Not mkdtemp: whoever runs the server may be another user than who built it.
  const folder = join(parent, `${UNFINISHED}${randomUUID()}`)
  try {
    await bundleNode(folder, root)
    await rename(folder, target).catch((error: unknown) => {
      if (!isBuilt(target)) throw error
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  await removeOldBuilds(parent)
}

/** Removes all builds but the newest, and what killed processes left unfinished. */
async function removeOldBuilds(parent: string): Promise<void> {
  const names = await readdir(parent)
  const found = await Promise.all(
    // Another process may have removed or renamed it meanwhile.
    names.map(async (name) => ({ name, madeAt: (await stat(join(parent, name)).catch(() => null))?.mtimeMs ?? 0 })),
  )
  const finished = found
    .filter(({ name }) => isBuilt(join(parent, name)) && !name.startsWith(UNFINISHED))
    .sort((a, b) => b.madeAt - a.madeAt)
  const abandoned = found.filter(
    ({ name, madeAt }) => name.startsWith(UNFINISHED) && madeAt > 0 && madeAt < Date.now() - ABANDONED_MS,
  )
  for (const { name } of [...finished.slice(MAX_BUILDS), ...abandoned]) {
    await rm(join(parent, name), { recursive: true, force: true })
  }
}

if (isMain(import.meta.url)) {
  await buildNode().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  })
}
