/** The scripts and styles of pages, from the packages they come with. */
import { openAsBlob } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Assets } from '../ports.ts'

const FILES: ReadonlyMap<string, string> = new Map([
  ['swagger-ui.css', 'swagger-ui-dist/swagger-ui.css'],
  ['swagger-ui-bundle.js', 'swagger-ui-dist/swagger-ui-bundle.js'],
])

/** Reads files of installed packages; nothing else can be named. */
export function createNodeAssets(): Assets {
  return {
    async read(name) {
      const file = FILES.get(name)
      if (file === undefined) return null
      return (await openAsBlob(fileURLToPath(import.meta.resolve(file)))).stream()
    },
  }
}
