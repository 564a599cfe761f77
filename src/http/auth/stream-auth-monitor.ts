/** Rechecks the credentials of streams while they are open: a key may be revoked, and tokens expire. */
import type { Clock, Database, Log, Sink } from '../../ports.ts'
import { keysInForce } from './keys.ts'

/** A key or token that a caller presented, and which may expire or be revoked. */
export interface Credential {
  /** Id of an API key in the database; null for other credentials. */
  readonly keyId: string | null
  /** Expiry, in milliseconds since the epoch; null for never. */
  readonly endsAt: number | null
}

/** Interval of checks. Each costs one query, however many streams are open, and none where no key of the database opened one. */
const LOOK_EVERY_MS = 15_000

/** Ends streams whose credential is no longer valid, within some 15 s. */
export class StreamAuthMonitor {
  readonly #deps: { readonly db: Database; readonly clock: Clock; readonly log: Log }
  readonly #streams = new Map<Sink, Credential>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(deps: { readonly db: Database; readonly clock: Clock; readonly log: Log }) {
    this.#deps = deps
  }

  /** Watches over a stream until it is closed. */
  watch(sink: Sink, credential: Credential): void {
    if (credential.keyId === null && credential.endsAt === null) return
    this.#streams.set(sink, credential)
    this.#timer ??= setInterval(() => {
      this.#look().catch((error: unknown) =>
        this.#deps.log.warn({ err: error }, 'keys of streams could not be looked at'),
      )
    }, LOOK_EVERY_MS)
    sink.onClose(() => this.#forget(sink))
  }

  #forget(sink: Sink): void {
    this.#streams.delete(sink)
    if (this.#streams.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #look(): Promise<void> {
    const { db, clock } = this.#deps
    const now = clock.now()
    for (const [sink, { endsAt }] of this.#streams) if (endsAt !== null && endsAt <= now) sink.end('revoked')
    const looked = [...this.#streams].filter(([, { keyId }]) => keyId !== null)
    if (looked.length === 0) return
    const inForce = await keysInForce({ db, clock }, [...new Set(looked.map(([, { keyId }]) => keyId ?? ''))])
    for (const [sink, { keyId }] of looked) if (!inForce.has(keyId ?? '')) sink.end('revoked')
  }
}
