/** Compute tasks that chunk and embed. The process that runs them loads vocabulary and weights once. */
import * as z from 'zod'
import { sleep } from '../../../backoff.ts'
import type { ComputeTask, TaskFiles } from '../../../ports.ts'
import { chunkDocument } from '../chunk/chunk.ts'
import type { Block } from '../types.ts'
import { loadTokenizer, loadUseLite } from './use-lite.ts'

const EmbedInput = z.object({ texts: z.array(z.string()) })
/** Input of the chunk task; blocks are as the read task returned them. */
const ChunkInput = z.object({
  blocks: z.array(z.custom<Block>((value) => typeof value === 'object' && value !== null && 'text' in value)),
  chunkSize: z.int().min(1),
  chunkOverlap: z.int().min(0),
})

/** Makes the task `rag.embed`: `{texts}` → the vectors, one after the other. */
export function embedTask(files: TaskFiles): ComputeTask {
  return async (input, ctx) => {
    const { texts } = EmbedInput.parse(input)
    const model = await loadUseLite(files)
    return model.embed(texts, async () => {
      // In an isolate the task runs in the server's thread: this yields the event loop, and lets an abort end it.
      await sleep(0)
      ctx.progress(null)
    })
  }
}

/** Makes the task `rag.chunk`: `{blocks, chunkSize, chunkOverlap}` → a ChunkedDocument, in tokens of USE-lite. */
export function chunkTask(files: TaskFiles): ComputeTask {
  return async (input) => {
    const { blocks, chunkSize, chunkOverlap } = ChunkInput.parse(input)
    const tokenizer = await loadTokenizer(files)
    return chunkDocument(blocks, { chunkSize, chunkOverlap, countTokens: (text) => tokenizer.count(text) })
  }
}
