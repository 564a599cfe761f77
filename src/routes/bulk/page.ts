/** The page of a published card: for everybody, without a key. What a card holds is shown as text, never as markup. */
import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import { clientAddress } from '../../http/client-address.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Quotas } from '../../http/quotas.ts'
import { type PublishedCard, readPublished } from '../../reads/cards.ts'

const STYLE = `body{font:1.05rem/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fff}
h1{line-height:1.2}main p{white-space:pre-wrap;overflow-wrap:anywhere}footer,.facts{color:#555;font-size:.9rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}footer,.facts{color:#aaa}a{color:#8bf}}`

const POLICY = `default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

type Deps = Pick<AppDeps, 'db' | 'clock' | 'peerAddress' | 'trustProxy'>

/** `GET /:slug`. An address that asks for too many pages that are not there gets none for the rest of the hour, so that none is guessed. */
export function cardPageRoutes(deps: Deps, quotas: Quotas): Hono<Env> {
  return new Hono<Env>().get('/:slug', async (c) => {
    c.header('Content-Security-Policy', POLICY)
    // Who has the address may read it; nobody need find it.
    c.header('X-Robots-Tag', 'noindex')
    // A card that was deleted, or made private, must not live on in caches.
    c.header('Cache-Control', 'no-cache')
    const address = addressOf(c, deps)
    const standing = await quotas.look('pages.miss', address)
    if (standing?.allowed === false) {
      c.header('Retry-After', String(Math.max(1, Math.ceil((standing.resetAt - deps.clock.now()) / 1_000))))
      return c.html(page('Too many tries', html`<p>Too many addresses were tried from here. Try again later.</p>`), 429)
    }
    const card = await readPublished(deps.db, c.req.param('slug'))
    if (card !== null) return c.html(page(card.title, content(card)))
    await quotas.take('pages.miss', address)
    return c.html(page('Not found', html`<p>Nothing is published at this address.</p>`), 404)
  })
}

function addressOf(c: Context<Env>, { peerAddress, trustProxy }: Deps): string {
  return clientAddress(peerAddress?.(c.env, c.req.raw) ?? null, c.req.header('X-Forwarded-For'), trustProxy)
}

function page(title: string, body: ReturnType<typeof html>) {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>${title}</title>
<style>${STYLE}</style></head><body><main><h1>${title}</h1>
${body}</main></body></html>`
}

function content(card: PublishedCard) {
  const facts = [card.category, ...card.tags].join(' · ')
  const day = new Date(card.publishedAt).toISOString()
  return html`<p class="facts">${facts}</p>
<p>${card.body}</p>
<footer>Published <time datetime="${day}">${day.slice(0, 10)}</time>${source(card)}</footer>`
}

/** A link only where it leads to a web page: `javascript:` is none. */
function source({ sourcePlatform, sourceUrl }: PublishedCard) {
  const name = sourcePlatform ?? sourceUrl
  if (name === null) return ''
  if (sourceUrl === null || !/^https?:\/\//i.test(sourceUrl)) return html` · Source: ${name}`
  return html` · Source: <a href="${sourceUrl}" rel="nofollow noopener ugc">${name}</a>`
}
