/** Servers that the probes of a lane share. */
import { KEYS } from './call.ts'
import { Target } from './server.ts'

/** For probes that measure. Takes calls without a key, and links to this machine. */
export const MEASURED = new Target({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1', LOG_LEVEL: 'warn' } })
/** Likewise, for probes of connections. */
export const OPEN = new Target({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1', LOG_LEVEL: 'warn' } })
/** For probes of what callers may do. */
export const GUARDED = new Target({ env: { ...KEYS, LOG_LEVEL: 'warn' } })
/** The Worker, for probes of both kinds. */
export const EDGE = new Target({ runtime: 'cloudflare', env: { ...KEYS, LOG_LEVEL: 'warn' } })

/** Ends them all. */
export async function endTargets(): Promise<void> {
  for (const target of [MEASURED, OPEN, GUARDED, EDGE]) await target.discard()
}
