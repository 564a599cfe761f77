/** Compute task that reads a feed, in isolation because its bytes are untrusted. */
import * as z from 'zod'
import type { ComputeTask } from '../../../ports.ts'
import { decodeText } from '../read/decode-text.ts'
import { looksLikeFeed, readFeed } from './read-feed.ts'

const Input = z.object({ bytes: z.instanceof(Uint8Array), url: z.string(), first: z.int(), last: z.int() })

/** Takes `{bytes, url, first, last}`. Returns the Listing; null where the bytes are no feed. */
const feedTask: ComputeTask = async (input) => {
  const { bytes, url, first, last } = Input.parse(input)
  const { text } = decodeText(bytes)
  return looksLikeFeed(text) ? readFeed(text, url, { first, last }) : null
}

export default feedTask
