/** Millrace on Cloudflare with an operation of one's own. */
import { createWorker, defineOperation, NonRetryableError } from 'millrace/cloudflare'
import * as z from 'zod'

const fingerprint = defineOperation({
  name: 'fingerprint',
  item: z.object({ text: z.string() }),
  result: z.object({ sha256: z.string() }),
  async run({ text }, ctx) {
    if (text.trim() === '') throw new NonRetryableError('There is nothing to fingerprint.')
    ctx.emit(text.length, 'characters')
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
    return { sha256: Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('') }
  },
})

export { MillraceBatch, MillraceTimer } from 'millrace/cloudflare'
export default createWorker({ operations: [fingerprint] })
