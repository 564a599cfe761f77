/** Renders the page of a shared heat-sheet result, for use at the pool and for print. */
import type { Context, Hono } from 'hono'
import { html } from 'hono/html'
import * as z from 'zod'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Quotas } from '../../http/middleware/quotas.ts'
import type { Endpoint } from '../../http/openapi/endpoint.ts'
import { publicPage } from '../../http/openapi/public-page.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { type Markup, publicPages } from '../../http/response/pages.ts'
import { Routes } from '../../http/routes.ts'
import { spokenDays, spokenWeekday } from './parser/dates.ts'
import { CODE_DAYS, readShared, type SharedResult } from './queries.ts'
import { calendarAddress, ifWhole } from './result-links.ts'
import { MANY_ROWS, RESULT_STYLE } from './result-style.ts'
import type { SwimEvent } from './schemas.ts'

const page = publicPage(
  'GET /results/:code',
  'showResult',
  'What a heat sheet holds for a swimmer, as it is shared',
  z.strictObject({
    code: z
      .string()
      .describe(
        `The \`resultCode\` of a completed job. It is good for ${CODE_DAYS} days, unless it is revoked or the job's batch is deleted.`,
      ),
  }),
)

export const endpoints: readonly Endpoint[] = [page]

const ADVICE = html`<p>A link to results ends after ${CODE_DAYS} days, or when whoever shared it takes it back. Ask for a new one, or have the heat sheet read again.</p>`

type Deps = Pick<AppDeps, 'db' | 'clock' | 'peerAddress' | 'trustProxy' | 'publicUrl' | 'isLocal'>

export function resultPageRoutes(deps: Deps, quotas: Quotas): Hono<Env> {
  const show = publicPages(deps, quotas, ADVICE)
  return new Routes('/results', CODED_ERRORS).add(page, (c) =>
    show(c, async () => {
      const found = await readShared(deps.db, c.req.valid('param').code, deps.clock.now())
      if (found === null) return null
      const title = `${found.swimmerName}, ${found.meetName}`
      return { title, body: content(found, calendarLinks(c, deps, found)), style: RESULT_STYLE }
    }),
  ).hono
}

/** Renders the links to the calendar: a download, and a subscription where the server's public URL is configured. */
function calendarLinks(c: Context<Env>, deps: Deps, { code, events }: SharedResult): Markup | string {
  if (events.length === 0) return ''
  const address = calendarAddress(c, deps, code)
  const followed = ifWhole(address)?.replace(/^https?:/, 'webcal:')
  const follow = followed === undefined ? '' : html` <a href="${followed}">Follow in a calendar</a>`
  return html`
<p class="calendar"><a href="${address}" type="text/calendar">Add to calendar</a>${follow}</p>`
}

function content(found: SharedResult, calendar: Markup | string): Markup {
  const { swimmerName, venue, sessionDate, meetDateRange: range, events, sharedWarnings } = found
  const days =
    range === undefined ? sessionDate && spokenDays({ start: sessionDate, end: sessionDate }) : spokenDays(range)
  const facts = html`<p class="facts">${listed([...sameOfAll(events), venue, days])}</p>`
  const warnings =
    sharedWarnings.length === 0
      ? ''
      : html`
<h2>To be checked</h2>
<ul>${sharedWarnings.map((warning) => html`<li>${warning}</li>`)}</ul>`
  if (events.length === 0) return html`${facts}<p>No event of ${swimmerName} was found on this sheet.</p>${warnings}`
  const byDay = [...Map.groupBy(events, (event) => event.sessionDate ?? '')]
  const isMany = events.length > MANY_ROWS
  return html`${facts}${calendar}
<div${isMany ? html` class="many"` : ''}>${byDay.map(([day, swims]) => section(day, swims, sameOfAll(events).length > 0))}</div>${warnings}`
}

/** Renders a day's swims, by start where it is known. */
function section(day: string, swims: readonly SwimEvent[], isSame: boolean): Markup {
  const heading = day === '' ? 'The sheet does not say which day' : spokenWeekday(day)
  return html`
<h2>${heading}</h2>
<ol class="swims">${swims.map((event) => row(event, isSame))}</ol>`
}

/** Renders a swim: its start first, large enough to be read at the pool, then heat and lane. */
function row(event: SwimEvent, isSame: boolean): Markup {
  const { eventNumber, eventName, round, seedTime } = event
  const seed = seedTime === undefined ? null : `seed ${seedTime}`
  const leg = event.relay && (event.relay.leg === undefined ? 'relay, alternate' : `relay, leg ${event.relay.leg}`)
  const own = isSame ? [] : [event.age ?? event.grade, event.team]
  return html`<li>${start(event)}<div><p class="place">${listed(place(event))}</p>
<p><strong>${eventNumber} ${eventName}</strong></p>
<p class="facts">${listed([seed, round, ...own, leg])}</p></div></li>
`
}

function start({ heatStartTime, estimated, sessionDate }: SwimEvent): Markup {
  if (heatStartTime === undefined) return html`<p class="start"><small>no time on the sheet</small></p>`
  const instant = sessionDate === undefined ? heatStartTime : `${sessionDate}T${heatStartTime}`
  const about = estimated ? html`<small>about</small> ` : ''
  return html`<p class="start">${about}<time datetime="${instant}">${heatStartTime}</time></p>`
}

/** Returns age and team where they are the same in all rows, so that they are shown once. */
function sameOfAll(events: readonly SwimEvent[]): string[] {
  const prints = events.map(({ age, grade, team }) =>
    [age ?? grade, team].filter((fact) => fact !== undefined).join(' · '),
  )
  const [first] = prints
  return first && new Set(prints).size === 1 ? [first] : []
}

/** Formats heat and lane, or the rank in a list without heats. */
function place({ heatNumber, lane, alternate, rank }: SwimEvent): (string | null)[] {
  if (heatNumber !== null) return [`Heat ${heatNumber}`, lane === null ? null : `Lane ${lane}`]
  if (alternate !== undefined) return [`Alternate ${alternate}`]
  return [rank === undefined ? null : `Rank ${rank}`]
}

const listed = (facts: readonly (string | number | null | undefined)[]) =>
  facts.filter((fact) => fact !== undefined && fact !== null).join(' · ')
