/** The page of a published card: for everybody, without a key. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Quotas } from '../../http/middleware/quotas.ts'
import { type Markup, publicPages } from '../../http/response/pages.ts'
import { type PublishedCard, readPublished } from './queries/cards.ts'

/** `GET /:slug`. */
export function cardPageRoutes(
  deps: Pick<AppDeps, 'db' | 'clock' | 'peerAddress' | 'trustProxy'>,
  quotas: Quotas,
): Hono<Env> {
  const show = publicPages(deps, quotas)
  return new Hono<Env>().get('/:slug', (c) =>
    show(c, async () => {
      const card = await readPublished(deps.db, c.req.param('slug'))
      return card && { title: card.title, body: content(card) }
    }),
  )
}

function content(card: PublishedCard): Markup {
  const facts = [card.category, ...card.tags].join(' · ')
  const day = new Date(card.publishedAt).toISOString()
  return html`<p class="facts">${facts}</p>
<p>${card.body}</p>
<footer>Published <time datetime="${day}">${day.slice(0, 10)}</time>${source(card)}</footer>`
}

/** A link only where it leads to a web page: `javascript:` is none. Named by its address where the platform is nothing to be seen. */
function source({ sourcePlatform, sourceUrl }: PublishedCard) {
  const platform = sourcePlatform?.trim() ?? ''
  const name = platform === '' ? sourceUrl : platform
  if (name === null || name.trim() === '') return ''
  if (sourceUrl === null || !/^https?:\/\//i.test(sourceUrl)) return html` · Source: ${name}`
  return html` · Source: <a href="${sourceUrl}" rel="nofollow noopener ugc">${name}</a>`
}
