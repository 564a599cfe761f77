/** The operation `http`: calls a URL for every item. A job is a call. */
import { sql } from 'drizzle-orm'
import { Webhook } from 'standardwebhooks'
import * as z from 'zod'
import { sleep } from '../../backoff.ts'
import { invalidRequest } from '../../errors.ts'
import { refuseItem } from '../../http/request/refusals.ts'
import { safeParse } from '../../http/request/safe-parse.ts'
import type { Attempt, ContinueAt, Operation, RunContext, RunResult } from '../../operation.ts'
import type { GuardedAnswer } from '../../ports.ts'
import { failureOf, MAX_ANSWER_BYTES, makeResult, noAnswer } from './answer.ts'
import { type Call, checkItem, fillCall, readCall } from './call.ts'
import { CallSlots, type SlotKey } from './call-slots.ts'
import {
  awaitCallback,
  beginWait,
  CALLBACK_HEADER,
  type CallbackServices,
  findAnswer,
  openCallback,
  waitingOf,
} from './callbacks.ts'
import { OpenedSecrets } from './opened-secrets.ts'
import { HttpInput, HttpResult } from './schemas.ts'
import { scrubber } from './scrub.ts'

/** Attempts that a call has. */
const MAX_ATTEMPTS = 5
/** Includes the wait for a slot of the owner's rate limit, which passes before the call's own timeout begins. */
const TIME_LIMIT_MS = 15 * 60 * 1_000
/** Longest wait for a rate-limit slot while the job keeps its concurrency slot, in milliseconds; before a longer one the job releases it. */
const MAX_WAIT_MS = 500
/** Longest time that a host may have all of an owner's calls wait, in milliseconds. */
const MAX_PAUSE_MS = 60 * 60 * 1_000
/** Jobs of a batch with a rate that are under way at once: as many as may be answered within so many seconds, or within their time limit. */
const AHEAD_SECONDS = 10
const MAX_AT_ONCE = 10_000

/** Parts of the server that calls need: the key that it signs with, its address, and its limit. */
export interface HttpServices extends CallbackServices {
  /** Calls to one host a second, of all owners together; absent or null: no limit. */
  readonly callsPerHost?: number | null
}

const Request = z.object({ input: z.unknown(), items: z.array(z.unknown()) })
const Checkpoint = z.object({ slotAt: z.number().optional(), hostSlotAt: z.number().optional() })
/** Owner of the slots that all owners share; no caller has this name. */
const EVERYONE = ''

/** Makes the operation. */
export function httpCalls(services: HttpServices): Operation {
  const calls = new Calls(services)
  return {
    name: 'http',
    description: 'Calls a URL for every item: method, headers and body are templates that the item fills.',
    concurrency: null,
    maxAttempts: MAX_ATTEMPTS,
    timeLimitMs: TIME_LIMIT_MS,
    summaryDefaults: { status: null },
    keepsItemIds: true,
    schemas: { item: z.unknown(), result: HttpResult, input: HttpInput },
    merge: null,
    batchTotals: (tallies) => ({ calls: tallies.calls ?? 0, bytes: tallies.bytes ?? 0 }),
    backoff(_attempt, error) {
      const asked = error.details?.retryAfterMs
      return typeof asked === 'number' ? asked : undefined
    },
    fromItems: (input, items) => ({ input, items }),
    plan(request) {
      const { input: given, items } = Request.parse(request)
      const input = parseInput(given)
      demandAddress(input, services)
      const call = readCall(input)
      const isNamed = call.url.some((part) => typeof part !== 'string')
      const jobs = items.map((item, index) => {
        const url = checkItem(call, item, index)
        return isNamed ? { input: item, url } : { input: item }
      })
      return { input, facts: {}, jobs, concurrency: concurrencyOf(input) }
    },
    async checkInput(db, owner, given) {
      const input = parseInput(given)
      const values = await calls.secrets.check(db, owner, readCall(input).secrets)
      if (input.signWith !== undefined) demandSigningSecret(values.get(input.signWith) ?? '')
    },
    run: (job, ctx) => calls.run(job, ctx),
    deleteOwnedRows: (db, ids) => [
      db.run(sql`DELETE FROM http_callbacks WHERE batch_id IN (SELECT value FROM json_each(${ids}))`),
      db.run(sql`DELETE FROM http_slots WHERE next_at < (SELECT max(next_at) FROM http_slots) - 86400000`),
    ],
  }
}

/** @throws MillraceError INVALID_REQUEST naming the field */
function parseInput(given: unknown): HttpInput {
  const parsed = safeParse(HttpInput, given)
  if (parsed.success) return parsed.data
  throw refuseItem(['body', 'input'], given, parsed.error)
}

/** With a rate, no more calls are under way than may end in time: slots are given out no further ahead. */
function concurrencyOf({ ratePerSecond, timeoutMs, callback }: HttpInput): number | null {
  if (ratePerSecond === undefined) return null
  return Math.min(
    MAX_AT_ONCE,
    Math.ceil(ratePerSecond * Math.max(AHEAD_SECONDS, timeoutMs / 1_000, callback?.withinSeconds ?? 0)),
  )
}

/** @throws MillraceError INVALID_REQUEST where the server has no public address for callbacks */
function demandAddress({ callback }: HttpInput, { publicUrl }: HttpServices): void {
  if (callback === undefined || publicUrl !== null) return
  throw invalidRequest(
    'input.callback',
    'input.callback: this server does not know under which address others reach it. Set PUBLIC_URL.',
  )
}

function demandSigningSecret(secret: string): void {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1] ?? ''
  if (encoded.length >= 32 && encoded.length % 4 === 0) return
  throw invalidRequest(
    'input.signWith',
    'input.signWith: expected the name of a secret that is "whsec_" followed by 24 to 64 bytes in base64.',
  )
}

/** Calls of one process. */
class Calls {
  readonly secrets: OpenedSecrets
  readonly #services: HttpServices
  readonly #slots = new CallSlots()
  /** Templates that were read, by the input of their batch as jobs of one claim share it. */
  readonly #read = new WeakMap<object, Call>()

  constructor(services: HttpServices) {
    this.#services = services
    this.secrets = new OpenedSecrets(services.signingKey)
  }

  async run(job: Attempt, ctx: RunContext): Promise<RunResult | ContinueAt> {
    const call = this.#callOf(job.batchInput)
    const secrets = await this.secrets.open(ctx, job.owner, [...call.secrets.keys()])
    const scrub = scrubber(secrets)
    const waiting = waitingOf(job)
    if (waiting?.taken === true) return awaitCallback(job, ctx, waiting, scrub)
    const early = waiting === null ? null : await findAnswer(job, ctx, waiting, scrub)
    if (early !== null) return early
    const filled = fillCall(call, { item: job.input, secret: (name) => secrets.get(name) ?? '' })
    const key = { owner: job.owner, host: new URL(filled.url).host }
    const slot = await this.#waitForSlot(job, ctx, call, key)
    if (slot !== null) return slot
    const later = await openCallback(job, ctx, call.input, this.#services)
    const headers = { ...filled.headers, ...later?.header }
    const answer = await send(job, ctx, call, { ...filled, headers }, secrets)
    if (answer.status === 202 && later !== null) return beginWait(job, ctx, later.waiting, scrub)
    if (answer.status >= 200 && answer.status < 300) return makeResult(answer, call.input, scrub)
    await this.#heed(ctx, call, key, answer)
    throw failureOf(answer, call.input, scrub)
  }

  #callOf(batchInput: unknown): Call {
    const known = typeof batchInput === 'object' && batchInput !== null ? this.#read.get(batchInput) : undefined
    if (known !== undefined) return known
    const call = readCall(parseInput(batchInput))
    if (typeof batchInput === 'object' && batchInput !== null) this.#read.set(batchInput, call)
    return call
  }

  /** Waits for the time of a call. @returns when to go on, where that is too far away to wait for; null once it may be made */
  async #waitForSlot(job: Attempt, ctx: RunContext, { input }: Call, key: SlotKey): Promise<ContinueAt | null> {
    const now = ctx.clock.now()
    const paused = this.#slots.pausedUntil(key, now)
    if (paused > 0) return { continueAt: paused + Math.round(Math.random() * MAX_WAIT_MS) }
    const { slotAt, hostSlotAt } = Checkpoint.safeParse(job.checkpoint).data ?? {}
    // The owner's slot comes first. Who waits for one of the host has had it; else the two could be late for one another in turn.
    if (input.ratePerSecond !== undefined && hostSlotAt === undefined && !this.#isUsable(slotAt, now)) {
      const later = await this.#takeSlot(ctx, key, input.ratePerSecond, 'slotAt')
      if (later !== null) return later
    }
    const { callsPerHost } = this.#services
    if (typeof callsPerHost !== 'number' || this.#isUsable(hostSlotAt, now)) return null
    return this.#takeSlot(ctx, { owner: EVERYONE, host: key.host }, callsPerHost, 'hostSlotAt')
  }

  /** Returns true where the time of a slot has come, and is not long over. */
  #isUsable(at: number | undefined, now: number): boolean {
    return at !== undefined && at <= now && this.#slots.isCurrent(at, now)
  }

  /** Takes a slot, and waits for one that comes soon. @returns when to go on, with the slot kept under `name`, where it comes later */
  async #takeSlot(
    ctx: RunContext,
    key: SlotKey,
    perSecond: number,
    name: 'slotAt' | 'hostSlotAt',
  ): Promise<ContinueAt | null> {
    const { at, taken } = await this.#slots.take(ctx, key, perSecond)
    const wait = at - ctx.clock.now()
    if (taken && wait <= MAX_WAIT_MS) {
      if (wait > 0) await sleep(wait, ctx.signal)
      return null
    }
    if (taken) await ctx.checkpoint({ [name]: at })
    return { continueAt: Math.ceil(at) }
  }

  /** Has all calls of the owner to a host wait that asks for it. */
  async #heed(ctx: RunContext, { input }: Call, key: SlotKey, answer: GuardedAnswer): Promise<void> {
    const { status, retryAfterSeconds } = answer
    if (retryAfterSeconds === null || (status !== 429 && status !== 503)) return
    const pauseMs = Math.min(retryAfterSeconds * 1_000, MAX_PAUSE_MS)
    await this.#slots.pause(ctx.db, key, ctx.clock.now() + pauseMs, input.ratePerSecond !== undefined)
  }
}

async function send(
  job: Attempt,
  ctx: RunContext,
  call: Call,
  { url, headers, body }: ReturnType<typeof fillCall>,
  secrets: ReadonlyMap<string, string>,
): Promise<GuardedAnswer> {
  const { method, timeoutMs, signWith } = call.input
  const signed = signWith === undefined ? {} : signature(job, ctx.clock.now(), body ?? '', secrets.get(signWith) ?? '')
  try {
    return await ctx.fetcher.request(url, {
      method,
      headers: { 'idempotency-key': job.jobId, ...headers, ...signed },
      body,
      confidential: {
        headers: [...call.secretHeaders, ...Object.keys(signed), CALLBACK_HEADER],
        body: (call.body?.secrets.length ?? 0) > 0,
      },
      maxBytes: MAX_ANSWER_BYTES,
      timeoutMs,
      signal: ctx.signal,
    })
  } catch (error) {
    ctx.signal.throwIfAborted()
    throw noAnswer(error, timeoutMs)
  }
}

/** The headers of Standard Webhooks 1.0: the id is the job's, so that a call that is made twice is known by it. */
function signature(job: Attempt, now: number, body: string, secret: string): Readonly<Record<string, string>> {
  const at = new Date(now)
  return {
    'webhook-id': job.jobId,
    'webhook-timestamp': String(Math.floor(now / 1_000)),
    'webhook-signature': new Webhook(secret).sign(job.jobId, at, body),
  }
}
