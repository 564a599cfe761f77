/**
 * Builds the Worker into `dist/edge`: `worker.js`, and modules that are loaded only by the operation that needs them. As a command it also
 * checks what it made: its size, that pdf.js is not part of what starts, and how long the start takes in workerd.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type Metafile } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')
/** Where `wrangler.toml` looks for it. */
export const EDGE_FOLDER = join(ROOT, 'dist', 'edge')

/** A built Worker. */
export interface EdgeBuild {
  readonly folder: string
  readonly outputs: Metafile['outputs']
}

/** Bundles `src/worker.ts` into a folder, which is emptied first. */
export async function buildEdge(folder: string = EDGE_FOLDER): Promise<EdgeBuild> {
  await rm(folder, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { worker: 'src/worker.ts' },
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    target: 'es2024',
    minify: true,
    // Error and log lines name classes and functions.
    keepNames: true,
    sourcemap: true,
    legalComments: 'none',
    external: ['cloudflare:*', 'node:*'],
    metafile: true,
    logLevel: 'warning',
  })
  return { folder, outputs: metafile.outputs }
}
