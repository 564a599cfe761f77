/**
 * Embeds texts by a hosted model: in requests within its limits, one after the other, each result handed over as it comes. A request that is
 * refused is halved until only the text that the service does not take is left out.
 */
import { backoff, sleep } from '../../../../backoff.ts'
import { MillraceError } from '../../../../errors.ts'
import { BatchRefused, type CallOptions, type HostedDriver, type Side } from './driver.ts'
import type { Pacer } from './pacer.ts'

/** Tries of one request that fails by the network or the service. */
const MAX_TRIES = 4
const FIRST_PAUSE_MS = 250
/** Answers 429 in a row, without any other, after which the attempt fails. */
const MAX_LIMITED = 20
/** Texts that may be refused one by one before any was accepted: then it is not the texts that the service refuses. */
const MAX_REFUSED_FIRST = 3

/** A text with the number of its tokens. */
export interface CountedText {
  readonly text: string
  readonly tokens: number
}

/** Result of one request: vectors of the next texts in order; null of one that was refused. */
export interface EmbeddedPart {
  readonly vectors: readonly (Float32Array | null)[]
  /** The service's reason, where a text was refused. */
  readonly refusal: string | null
}

export interface EmbedDeps extends CallOptions {
  readonly driver: HostedDriver
  readonly pacer: Pacer
  /** Texts that the service accepted before. @default 0 */
  readonly accepted?: number
  /** Longest pause that is waited for, in milliseconds. */
  readonly longestWaitMs?: number
}

/**
 * Embeds texts.
 * @throws Paused where the service asks for a long pause; MillraceError
 */
export async function* embedTexts(
  texts: readonly CountedText[],
  side: Side,
  deps: EmbedDeps,
): AsyncGenerator<EmbeddedPart> {
  const { driver } = deps
  let maxTexts = driver.limits.texts
  let accepted = deps.accepted ?? 0
  let refused = 0
  /** Ends of the ranges to send, the next one last. */
  const ends: number[] = []
  for (let at = 0; at < texts.length; ) {
    const wanted = ends.pop() ?? fitting(texts, at, { ...driver.limits, texts: maxTexts })
    const end = Math.min(wanted, at + maxTexts)
    if (end < wanted) ends.push(wanted)
    try {
      const vectors = await embedOnce(texts.slice(at, end), side, deps)
      accepted += vectors.length
      at = end
      yield { vectors, refusal: null }
    } catch (error) {
      if (!(error instanceof BatchRefused)) throw error
      const count = end - at
      if (error.isTooLarge && count > 1) maxTexts = Math.min(maxTexts, Math.ceil(count / 2))
      if (count > 1) {
        ends.push(end, at + Math.ceil(count / 2))
        continue
      }
      refused++
      if (accepted === 0 && (refused === MAX_REFUSED_FIRST || refused === texts.length)) {
        throw new MillraceError('SERVICE_UNAVAILABLE', `${driver.service} refuses the texts: ${error.message}`, {
          transient: false,
        })
      }
      at = end
      yield { vectors: [null], refusal: error.message }
    }
  }
}

/** Returns the end of the longest range from `at` within limits; at least one text. */
function fitting(texts: readonly CountedText[], at: number, limits: HostedDriver['limits']): number {
  let end = at
  for (let tokens = 0; end < texts.length && end - at < limits.texts; end++) {
    tokens += texts[end]?.tokens ?? 0
    if (tokens > limits.tokens && end > at) break
  }
  return end
}

async function embedOnce(texts: readonly CountedText[], side: Side, deps: EmbedDeps) {
  const { driver, pacer, signal, owner, longestWaitMs } = deps
  const key = `${owner} ${driver.service}`
  for (let failures = 0, limited = 0; ; ) {
    await pacer.wait(key, signal, longestWaitMs)
    try {
      const rows = await driver.embed(
        texts.map(({ text }) => text),
        side,
        { signal, owner },
      )
      return rows.map((row) => normalized(row, driver))
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.transient) throw error
      const asked = error.details?.retryAfterSeconds
      if (error.code === 'RATE_LIMIT') {
        if (++limited === MAX_LIMITED) throw error
        pacer.pause(key, limited, typeof asked === 'number' ? asked : null)
        continue
      }
      if (++failures === MAX_TRIES || typeof asked === 'number') throw error
      await sleep(backoff(failures, { firstMs: FIRST_PAUSE_MS }), signal)
    }
  }
}

/** Makes a vector of length 1. @throws MillraceError where it has other dimensions than it should */
function normalized(row: readonly number[], { service, dimensions }: HostedDriver): Float32Array {
  if ((dimensions !== null && row.length !== dimensions) || row.length === 0) {
    throw new MillraceError(
      'SERVICE_UNAVAILABLE',
      `${service} answered vectors of ${row.length} numbers, not of ${dimensions}. Leave the dimensions out, or name those of the model.`,
      { transient: false },
    )
  }
  let square = 0
  for (const value of row) square += value * value
  const factor = square === 0 ? 0 : 1 / Math.sqrt(square)
  return Float32Array.from(row, (value) => value * factor)
}
