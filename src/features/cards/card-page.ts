/** Serves the page of a published card, publicly and without a key. */
import type { Hono } from 'hono'
import { html } from 'hono/html'
import * as z from 'zod'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Quotas } from '../../http/middleware/quotas.ts'
import type { Endpoint } from '../../http/openapi/endpoint.ts'
import { publicPage } from '../../http/openapi/public-page.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { type Markup, publicPages } from '../../http/response/pages.ts'
import { Routes } from '../../http/routes.ts'
import { type PublishedCard, readPublished } from './queries/cards.ts'

const page = publicPage(
  'GET /cards/:slug',
  'showCard',
  'The page of a published card',
  z.strictObject({ slug: z.string().describe('As its address ends.') }),
)

export const endpoints: readonly Endpoint[] = [page]

export function cardPageRoutes(
  deps: Pick<AppDeps, 'db' | 'clock' | 'peerAddress' | 'trustProxy'>,
  quotas: Quotas,
): Hono<Env> {
  const show = publicPages(deps, quotas)
  return new Routes('/cards', CODED_ERRORS).add(page, (c) =>
    show(c, async () => {
      const card = await readPublished(deps.db, c.req.valid('param').slug)
      return card && { title: card.title, body: content(card) }
    }),
  ).hono
}

function content(card: PublishedCard): Markup {
  const facts = [card.category, ...card.tags].join(' · ')
  const day = new Date(card.publishedAt).toISOString()
  return html`<p class="facts">${facts}</p>
<p>${card.body}</p>
<footer>Published <time datetime="${day}">${day.slice(0, 10)}</time>${source(card)}</footer>`
}

/** Renders the source as a link, only to web addresses and never to `javascript:`. The text is the address where the platform's name shows nothing. */
function source({ sourcePlatform, sourceUrl }: PublishedCard) {
  const platform = sourcePlatform?.trim() ?? ''
  const name = platform === '' ? sourceUrl : platform
  if (name === null || name.trim() === '') return ''
  if (sourceUrl === null || !/^https?:\/\//i.test(sourceUrl)) return html` · Source: ${name}`
  return html` · Source: <a href="${sourceUrl}" rel="nofollow noopener ugc">${name}</a>`
}
