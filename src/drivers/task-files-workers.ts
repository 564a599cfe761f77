/** Files that tasks of Compute need, as they were deployed beside the Worker. */
import type { TaskFiles } from '../ports.ts'
import type { AssetsBinding } from './assets-workers.ts'

/** Modules that were compiled at the deploy: a Worker may not compile any. Each is loaded by the first task that needs it. */
const MODULES: Readonly<Record<string, () => Promise<{ readonly default: WebAssembly.Module }>>> = {
  'tfjs-backend-wasm-simd.wasm': () => import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm'),
}

/** Reads files of the folder that `wrangler.toml` names, which `scripts/build-edge.ts` fills. */
export function createBoundTaskFiles(binding: AssetsBinding): TaskFiles {
  return {
    async read(name) {
      // The host says nothing here.
      const answer = await binding.fetch(`https://assets.local/models/${name}`)
      if (!answer.ok) throw new Error(`There is no file ${name} beside the Worker (status ${answer.status}).`)
      return new Uint8Array(await answer.arrayBuffer())
    },
    async wasm(name) {
      const load = MODULES[name]
      if (load === undefined) throw new Error(`There is no module ${name} in the Worker.`)
      return (await load()).default
    },
    module: (name) => Promise.reject(new Error(`There is no module ${name} in the Worker.`)),
  }
}
