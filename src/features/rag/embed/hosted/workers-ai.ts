/** bge-m3 on Workers AI, by the binding `AI` (https://developers.cloudflare.com/workers-ai/models/bge-m3/). */
import * as z from 'zod'
import { MillraceError } from '../../../../errors.ts'
import type { VectorServices } from '../../../../ports.ts'
import type { ChosenModel } from '../chosen-model.ts'
import { BatchRefused, type HostedDriver, rateLimit } from './driver.ts'

const MODEL = '@cf/baai/bge-m3'
const SERVICE = 'Workers AI'
/** The model takes 100 texts a request. */
const LIMITS = { texts: 100, tokens: 60_000 }

const Answer = z.object({ data: z.array(z.array(z.number())) })

/** Codes of errors, at the beginning of their message (https://developers.cloudflare.com/workers-ai/platform/errors/). */
const CODES = {
  limit: /^(?:3036|3040)\b/,
  tooLarge: /^3006\b/,
  badInput: /^(?:3003|5004|5006)\b/,
  noAccess: /^(?:3023|5018|5016)\b/,
}

export function workersAiDriver(ai: NonNullable<VectorServices['ai']>, chosen: ChosenModel): HostedDriver {
  return {
    service: SERVICE,
    limits: LIMITS,
    dimensions: chosen.dimensions,
    async embed(texts) {
      const answer = await ai.run(MODEL, { text: texts }).catch((error: unknown) => {
        throw classify(error)
      })
      const vectors = Answer.safeParse(answer).data?.data
      if (vectors?.length === texts.length) return vectors
      throw new MillraceError('SERVICE_UNAVAILABLE', `${SERVICE} answered without a vector for each text.`)
    },
  }
}

function classify(error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error)
  if (CODES.limit.test(message)) return rateLimit(SERVICE, null, message)
  if (CODES.tooLarge.test(message)) return new BatchRefused(message, true)
  if (CODES.badInput.test(message)) return new BatchRefused(message, false)
  const transient = !CODES.noAccess.test(message)
  return new MillraceError('SERVICE_UNAVAILABLE', `${SERVICE} failed: ${message}`, { transient, cause: error })
}
