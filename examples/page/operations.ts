import { defineOperation, NonRetryableError } from 'millrace'
import * as z from 'zod'

/** Counts the words of a text, slowly enough to be watched. */
export const words = defineOperation({
  name: 'words',
  item: z.object({ text: z.string() }),
  result: z.object({ words: z.int() }),
  async run({ text }, ctx) {
    if (text === '') throw new NonRetryableError('An empty line has no words.')
    for (let percent = 0; percent < 100; percent += 20) {
      ctx.progress(percent, 'Counting')
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    return { words: text.split(/\s+/).length }
  },
})
