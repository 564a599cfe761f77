/** Files that tasks of Compute need, from the packages they come with. */
import { readFile } from 'node:fs/promises'
import type { TaskFiles } from '../ports.ts'
import { TASK_FILES } from './files-node.ts'

/** Finds a file by the folder its name begins with; nothing else can be named. */
function locate(name: string): URL {
  const [folder = '', file = ''] = name.includes('/') ? name.split('/', 2) : ['wasm', name]
  const base = TASK_FILES[folder]
  if (base === undefined || !/^[\w-]+(?:\.[\w-]+)*$/.test(file)) throw new Error(`There is no file ${name}.`)
  return new URL(file, base)
}

/** Reads the files at each call: code that loads a model caches the result itself. */
export const nodeTaskFiles: TaskFiles = {
  read: (name) => readFile(locate(name)),
  wasm: async (name) => WebAssembly.compile(await readFile(locate(name))),
  module: (name) => import(locate(name).href),
}
