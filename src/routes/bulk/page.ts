/** The page of a published card: for everybody, without a key. What a card holds is shown as text, never as markup. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { AppDeps, Env } from '../../http/context.ts'
import { type PublishedCard, readPublished } from '../../reads/cards.ts'

const STYLE = `body{font:1.05rem/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fff}
h1{line-height:1.2}main p{white-space:pre-wrap;overflow-wrap:anywhere}footer,.facts{color:#555;font-size:.9rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}footer,.facts{color:#aaa}a{color:#8bf}}`

const POLICY = `default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** `GET /:slug`. */
export function cardPageRoutes(deps: Pick<AppDeps, 'db'>): Hono<Env> {
  return new Hono<Env>().get('/:slug', async (c) => {
    const card = await readPublished(deps.db, c.req.param('slug'))
    c.header('Content-Security-Policy', POLICY)
    // A card that was deleted, or made private, must not live on in caches.
    c.header('Cache-Control', 'no-cache')
    if (card === null) return c.html(page('Not found', html`<p>Nothing is published at this address.</p>`), 404)
    return c.html(page(card.title, content(card)))
  })
}

function page(title: string, body: ReturnType<typeof html>) {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
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
