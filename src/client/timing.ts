/** Waits and timeouts of the client. */

/** Waits in milliseconds; the defaults fit ordinary networks. */
export interface Timing {
  /** First pause before a failed request is retried; doubles with each failure. */
  readonly retryMs: number
  /** Longest such pause. */
  readonly mostRetryMs: number
  /** Time-out of a request without an upload. */
  readonly answerMs: number
  /** Time after which a stream without a byte counts as blocked by an intermediary. */
  readonly firstByteMs: number
  /** Silence after which a stream counts as dead; the server writes every 15 seconds. */
  readonly silenceMs: number
  /** Longest time that a poll waits at the server for a change. */
  readonly pollMs: number
  /** Shortest time from one poll to the next. */
  readonly betweenPollsMs: number
  /** Time without further streams after they were found to be blocked. */
  readonly blockedMs: number
  /** Interval of the heartbeat that the tab with the connection sends to the others; after three missed ones another takes over. */
  readonly tabBeatMs: number
}

export const TIMING: Timing = {
  retryMs: 500,
  mostRetryMs: 30_000,
  answerMs: 60_000,
  firstByteMs: 5_000,
  silenceMs: 45_000,
  pollMs: 25_000,
  betweenPollsMs: 1_000,
  blockedMs: 300_000,
  tabBeatMs: 10_000,
}
