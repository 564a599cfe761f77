/** The scripts and styles of pages, from the packages they come with. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Assets } from '../ports.ts'

const FILES: ReadonlyMap<string, string> = new Map([
  ['swagger-ui.css', 'swagger-ui-dist/swagger-ui.css'],
  ['swagger-ui-bundle.js', 'swagger-ui-dist/swagger-ui-bundle.js'],
])

/**
 * Reads files of installed packages; nothing else can be named. Each is kept once it was read (1.7 MB together), so that any number of
 * clients that do not read their answers share its memory.
 */
export function createNodeAssets(): Assets {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>()
  return {
    async read(name) {
      const file = FILES.get(name)
      if (file === undefined) return null
      const bytes = kept.get(name) ?? (await readFile(fileURLToPath(import.meta.resolve(file))))
      kept.set(name, bytes)
      return bytes
    },
  }
}
