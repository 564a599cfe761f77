/** Close codes of WebSockets (RFC 6455, section 7.4, and the IANA registry), the same on every runtime. */
import type { EndReason } from '../ports.ts'

/** The code and the reason that a stream ends with. */
export const CLOSE_CODES: Readonly<Record<EndReason, readonly [code: number, reason: string]>> = {
  finished: [1000, 'finished'],
  restart: [1012, 'the server restarts; connect again'],
  full: [1013, 'the server is full; try again later'],
  unknown: [4404, 'there is no such job'],
  revoked: [1008, 'the credential is no longer valid'],
}

/** Closes a socket whose client sent a message that is too large. */
export const TOO_LARGE = [1009, 'the message is too large'] as const

/** Largest message that is taken from a client. Followers have nothing to say. */
export const MAX_MESSAGE_BYTES = 16 * 1024
