/** What tests ask a server at the edge for: on Node they look into its folder, or run a command beside it. */
import { z } from 'zod'

/** A question, sent as a message between processes. */
export const EdgeQuestion = z.discriminatedUnion('do', [
  /** Keys of every blob. */
  z.object({ do: z.literal('blobs') }),
  /** What `npm run` does with these arguments. */
  z.object({ do: z.literal('command'), args: z.array(z.string()) }),
])
export type EdgeQuestion = z.infer<typeof EdgeQuestion>

/** Its answer. */
export const EdgeAnswer = z.object({ lines: z.array(z.string()), code: z.int() })
export type EdgeAnswer = z.infer<typeof EdgeAnswer>
