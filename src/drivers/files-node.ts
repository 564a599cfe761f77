/** Locates what the server reads and runs beside its own code: in the repository, whether it runs from `src/` or from a build. */
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
export const COMPUTE_TASKS = new URL(IS_BUILT ? './compute/tasks.mjs' : '../compute-tasks.ts', import.meta.url)

/** Files, and folders ending in `/`, that the tasks' code is in: all that a child process may read. */
export const COMPUTE_CODE: readonly URL[] = (
  IS_BUILT ? ['./compute/'] : ['../', '../../node_modules/', '../../package.json']
).map((path) => new URL(path, import.meta.url))
