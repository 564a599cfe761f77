/** The scripts and styles of pages, as they were deployed beside the Worker. */
import type { Assets } from '../ports.ts'

/** Part of an assets binding that the driver uses. */
export interface AssetsBinding {
  fetch(url: string): Promise<Response>
}

/** Reads files of the folder that `wrangler.toml` names. Requests reach them only through the app, so that they get the headers of all answers. */
export function createBoundAssets(binding: AssetsBinding): Assets {
  return {
    async read(name) {
      // The host says nothing here.
      const answer = await binding.fetch(`https://assets.local/docs/${encodeURIComponent(name)}`)
      return answer.ok ? answer.body : null
    },
  }
}
