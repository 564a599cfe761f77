/** Pages for everybody, without a key, at addresses that nobody should guess. What they show is text, never markup. */
import type { Context } from 'hono'
import { html } from 'hono/html'
import type { AppDeps, Env } from '../context.ts'
import type { Quotas } from '../middleware/quotas.ts'
import { clientAddress } from '../request/client-address.ts'
import { GuessPace } from './guess-pace.ts'

const STYLE = `body{font:1.05rem/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fff}
h1{line-height:1.2}main p{white-space:pre-wrap;overflow-wrap:anywhere}footer,.facts{color:#555;font-size:.9rem}
.plain{list-style:none;padding:0}.plain li{margin:1rem 0;break-inside:avoid}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}footer,.facts{color:#aaa}a{color:#8bf}}
@media print{body{margin:0;max-width:none;color:#000;background:#fff}}`

const POLICY = `default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** Markup made by the tag `html`: text that came from elsewhere is escaped in it. */
export type Markup = ReturnType<typeof html>

/** A page. */
export interface Page {
  readonly title: string
  readonly body: Markup
}

type Deps = Pick<AppDeps, 'clock' | 'peerAddress' | 'trustProxy'>

/** One for the process, or the isolate: cards and results are guessed by the same hand. */
const pace = new GuessPace()

/**
 * Makes what answers with public pages.
 * @returns a function that answers with the page that `find` gives, always; with 404 when it gives none, because there is none or none any
 * more; and with 429 and `Retry-After` instead of that where an address has asked for too many that are not there, for the rest of the hour.
 * Look-ups that find nothing come at 10 a second from an address at most, so that none is guessed.
 */
export function publicPages(deps: Deps, quotas: Quotas) {
  return async (c: Context<Env>, find: () => Promise<Page | null>): Promise<Response> => {
    c.header('Content-Security-Policy', POLICY)
    // Keeps search engines away: whoever has the address may read the page, but nobody needs to find it.
    c.header('X-Robots-Tag', 'noindex')
    // Makes caches revalidate: a page that was deleted, or made private, must not live on in them.
    c.header('Cache-Control', 'no-cache')
    const address = addressOf(c, deps)
    const takeBack = quotas.limits('pages.miss') ? await pace.enter(address, deps.clock) : () => {}
    if (takeBack === null) return tooMany(c, 1)
    const page = await find()
    if (page !== null) {
      takeBack()
      return c.html(document(page.title, page.body))
    }
    const standing = await quotas.consume('pages.miss', address)
    if (standing?.allowed === false) return tooMany(c, Math.ceil((standing.resetAt - deps.clock.now()) / 1_000))
    return c.html(document('Not found', html`<p>There is nothing at this address, or no longer.</p>`), 404)
  }
}

function tooMany(c: Context<Env>, seconds: number) {
  c.header('Retry-After', String(Math.max(1, seconds)))
  return c.html(
    document(
      'Too many tries',
      html`<p>There is nothing at this address, or no longer, and too many such addresses were tried from here. An address that is right is answered all the same.</p>`,
    ),
    429,
  )
}

function addressOf(c: Context<Env>, { peerAddress, trustProxy }: Deps): string {
  return clientAddress(peerAddress?.(c.env, c.req.raw) ?? null, c.req.header('X-Forwarded-For'), trustProxy)
}

function document(title: string, body: Markup) {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>${title}</title>
<style>${STYLE}</style></head><body><main><h1>${title}</h1>
${body}</main></body></html>`
}
