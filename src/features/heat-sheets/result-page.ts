/** The page of a heat-sheet result: for everybody whom somebody gave its code, to look up at the pool and to print. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Quotas } from '../../http/middleware/quotas.ts'
import { type Markup, publicPages } from '../../http/response/pages.ts'
import { readShared, type SharedResult } from './queries.ts'
import type { SwimEvent } from './schemas.ts'

/** `GET /:code`. */
export function resultPageRoutes(
  deps: Pick<AppDeps, 'db' | 'clock' | 'peerAddress' | 'trustProxy'>,
  quotas: Quotas,
): Hono<Env> {
  const show = publicPages(deps, quotas)
  return new Hono<Env>().get('/:code', (c) =>
    show(c, async () => {
      const found = await readShared(deps.db, c.req.param('code'))
      return found && { title: `${found.swimmerName}, ${found.meetName}`, body: content(found) }
    }),
  )
}

/** Warnings stay with the owner: they name other swimmers of the sheet. */
function content({ swimmerName, venue, sessionDate, meetDateRange: range, events }: SharedResult): Markup {
  const days = range === undefined || range.start === range.end ? sessionDate : `${range.start} to ${range.end}`
  const facts = html`<p class="facts">${listed([venue, days])}</p>`
  if (events.length === 0) return html`${facts}<p>No event of ${swimmerName} was found on this sheet.</p>`
  return html`${facts}
<ul class="plain">${events.map(item)}</ul>`
}

/** Renders an event: place and time first, large enough to be read at the pool. */
function item(event: SwimEvent): Markup {
  const { eventNumber, eventName, round, sessionDate, heatStartTime, seedTime } = event
  const starts = heatStartTime === undefined ? null : `starts ${heatStartTime}`
  const seed = seedTime === undefined ? null : `seed ${seedTime}`
  const leg = event.relay === undefined ? null : `relay, leg ${event.relay.leg}`
  return html`<li><strong>${eventNumber} ${eventName}</strong><br>${listed([...place(event), starts, seed])}<br>
<span class="facts">${listed([sessionDate, round, event.swimmerName, event.age ?? event.grade, event.team, leg])}</span></li>
`
}

/** The heat and lane, or what stands for them in a list without heats. */
function place({ heatNumber, lane, alternate, rank }: SwimEvent): (string | null)[] {
  if (heatNumber !== null) return [`Heat ${heatNumber}`, lane === null ? null : `lane ${lane}`]
  if (alternate !== undefined) return [`Alternate ${alternate}`]
  return [rank === undefined ? null : `Rank ${rank}`]
}

const listed = (facts: readonly (string | number | null | undefined)[]) =>
  facts.filter((fact) => fact !== undefined && fact !== null).join(' · ')
