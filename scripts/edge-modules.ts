/** Lists the modules of a built Worker. Apart from edge-start.ts, because that one loads wrangler, which takes half a second. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A module of a Worker. */
export type Module = { readonly type: 'ESModule' | 'CompiledWasm'; readonly path: string; readonly contents?: string }

/** The modules of a build, the entry first, as Miniflare wants them. */
export async function modulesOf(folder: string): Promise<Module[]> {
  const files = (await readdir(folder)).filter((name) => /\.(?:js|wasm)$/.test(name))
  const ordered = files.toSorted((a, b) => Number(b === 'worker.js') - Number(a === 'worker.js'))
  return ordered.map((name) => ({
    type: name.endsWith('.wasm') ? 'CompiledWasm' : 'ESModule',
    path: join(folder, name),
  }))
}
