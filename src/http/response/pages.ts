/** Public pages, without a key, at unguessable addresses. Stored values are shown as text, never as markup. */
import type { Context } from 'hono'
import { html, raw } from 'hono/html'
import type { Env } from '../context.ts'
import type { Quotas } from '../middleware/quotas.ts'
import { type LookupDeps, publicLookups } from './public-lookups.ts'

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
  /** CSS beside that of all pages. */
  readonly style?: string
}

/**
 * Makes what answers with public pages.
 * @returns a function that answers with the page that `find` gives, always; with 404 when it gives none, because there is none or none any
 * more; and with 429 and `Retry-After` instead where {@link publicLookups} refuses further look-ups of an address
 * @param advice what to do where there is none
 */
export function publicPages(deps: LookupDeps, quotas: Quotas, advice: Markup | string = '') {
  const lookUp = publicLookups(deps, quotas)
  return async (c: Context<Env>, find: () => Promise<Page | null>): Promise<Response> => {
    c.header('Content-Security-Policy', POLICY)
    const { found, retryAfter } = await lookUp(c, find)
    if (found !== null) return c.html(document(found))
    if (retryAfter !== null) return tooMany(c)
    const body = html`<p>There is nothing at this address, or no longer.</p>${advice}`
    return c.html(document({ title: 'Not found', body }), 404)
  }
}

function tooMany(c: Context<Env>) {
  const body = html`<p>There is nothing at this address, or no longer, and too many such addresses were tried from here. An address that is right is answered all the same.</p>`
  return c.html(document({ title: 'Too many tries', body }), 429)
}

function document({ title, body, style = '' }: Page) {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>${title}</title>
<style>${raw(STYLE + style)}</style></head><body><main><h1>${title}</h1>
${body}</main></body></html>`
}
