/** What tests ask a server on Cloudflare for: on Node they look into its folder, or run a command beside it. */
import { z } from 'zod'

/** A question, sent as a message between processes. */
export const CloudflareQuestion = z.discriminatedUnion('do', [
  /** Keys of every blob. */
  z.object({ do: z.literal('blobs') }),
  /** What `npm run` does with these arguments. */
  z.object({ do: z.literal('command'), args: z.array(z.string()) }),
])
export type CloudflareQuestion = z.infer<typeof CloudflareQuestion>

/** Its answer. */
export const CloudflareAnswer = z.object({ lines: z.array(z.string()), code: z.int() })
export type CloudflareAnswer = z.infer<typeof CloudflareAnswer>
