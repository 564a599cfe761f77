/** Results as they are shared with programs: as JSON and as calendars, by code and by batch, for as long as their owner lets them be. */
import ical, { type VEvent } from 'node-ical'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SharedResultAnswer } from '../../../src/features/heat-sheets/schemas.ts'
import { errorOf, extract, resultsOf, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, OTHER, SWIMMER } from '../../support/sheets.ts'

const KEY = 'a-key-for-results-that-are-shared'
const AUTH = { Authorization: `Bearer ${KEY}` }

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: KEY, RATE_LIMITS: 'pages.miss=4' } })
})
afterAll(() => server[Symbol.asyncDispose]())

async function shared(meet: string, swimmer: string | string[] = SWIMMER) {
  const pdfs = [{ name: 'sheet.pdf', bytes: await heatSheet({ meet, pages: 2 }) }]
  const accepted = await extract(server, { swimmer, pdfs }, AUTH)
  await toTheEnd(server, accepted)
  const { sources } = await resultsOf(server, accepted.batchId, { headers: AUTH })
  return { ...accepted, code: sources[0]?.resultCode ?? '' }
}

async function entriesOf(response: Response): Promise<VEvent[]> {
  expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'text/calendar; charset=utf-8'])
  const parsed = Object.values(ical.sync.parseICS(await response.text()))
  return parsed.filter((one): one is VEvent => one?.type === 'VEVENT')
}

describe('a result by its code', () => {
  it('is JSON for everybody, of that swimmer alone, for thirty days', async () => {
    const { code } = await shared('Millpond Open')
    const response = await server.fetch(`/api/result/${code.toUpperCase()}`)
    const text = await response.text()
    expect(response.status).toBe(200)
    expect([response.headers.get('X-Robots-Tag'), response.headers.get('Cache-Control')]).toEqual([
      'noindex',
      'no-cache',
    ])
    const answer = SharedResultAnswer.parse(JSON.parse(text))
    expect(answer).toMatchObject({
      resultCode: code,
      swimmerName: SWIMMER,
      meetName: 'Millpond Open',
      events: [
        { eventNumber: 1, heatNumber: 1, lane: 3, heatStartTime: '09:05', sessionDate: '2031-03-07' },
        { eventNumber: 2 },
      ],
    })
    expect(text).not.toContain(OTHER)
    const days = (Date.parse(answer.expiresAt) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(29.9)
    expect(days).toBeLessThanOrEqual(30)
    const again = await server.fetch(`/api/result/${code}`, {
      headers: { 'If-None-Match': response.headers.get('ETag') ?? '' },
    })
    expect(again.status).toBe(304)
    for (const url of [answer.pageUrl, answer.calendarUrl]) {
      expect((await server.fetch(url.replace(/^https?:\/\/[^/]+/, ''))).status).toBe(200)
    }
  })

  it('is a calendar that is tagged, and stays as it is until it is read anew', async () => {
    const { code } = await shared('Weir Classic')
    const path = `/api/result/${code}/calendar.ics?reminder=15&timezone=America/New_York`
    const response = await server.fetch(path)
    const tag = response.headers.get('ETag') ?? ''
    const entries = await entriesOf(response)
    expect(entries.map(({ summary, start }) => [summary, start.toISOString()])).toEqual(
      [1, 2].map((number) => [
        `Ada Quill: Event ${number}, heat 1, lane 3 – Girls 11-12 100 Yard Freestyle`,
        '2031-03-07T14:05:00.000Z',
      ]),
    )
    expect((await server.fetch(path, { headers: { 'If-None-Match': tag } })).status).toBe(304)
  })

  it.each([
    ['reminder=7', 'reminder'],
    ['timezone=Mars/Base', 'timezone'],
    ['remindr=5', 'Did you mean "reminder"'],
  ])('is refused as a calendar with %s', async (query, named) => {
    const { status, message } = await errorOf(await server.fetch(`/api/result/aaaaaaaa/calendar.ics?${query}`))
    expect([status, message]).toEqual([400, expect.stringContaining(named)])
  })

  it('is revoked by its owner, with its page and its calendar, while the batch keeps its events', async () => {
    const { code, batchId } = await shared('Sluice Meet')
    const path = `/api/result/${code}`
    expect((await server.fetch(path, { method: 'DELETE' })).status).toBe(401)
    const revoked = await server.fetch(path, { method: 'DELETE', headers: AUTH })
    expect([revoked.status, await revoked.json()]).toEqual([200, { success: true, resultCode: code, revoked: true }])
    const { status, error, message } = await errorOf(await server.fetch(path))
    expect([status, error]).toEqual([404, 'NOT_FOUND'])
    expect(message).toContain('Ask who shared it for a new one')
    expect((await server.fetch(`${path}/calendar.ics`)).status).toBe(404)
    expect((await server.fetch(`/results/${code}`)).status).toBe(404)
    expect((await server.fetch(path, { method: 'DELETE', headers: AUTH })).status).toBe(404)
    expect((await resultsOf(server, batchId, { headers: AUTH })).totalEvents).toBe(2)
  })
})

describe('a batch as a calendar', () => {
  it('holds the swims of all its swimmers, for a key and for the token of its stream', async () => {
    const { batchId, streamUrl } = await shared('Leat Cup', [SWIMMER, OTHER])
    const path = `/api/batch/${batchId}/calendar.ics`
    const token = new URL(streamUrl, server.url).searchParams.get('token') ?? ''
    const entries = await entriesOf(await server.fetch(`${path}?token=${token}&reminder=5`))
    expect(entries.map(({ summary }) => String(summary).slice(0, 29)).sort()).toEqual([
      'Ada Quill: Event 1, heat 1, l',
      'Ada Quill: Event 2, heat 1, l',
      'Bo Reed: Event 1, heat 1, lan',
      'Bo Reed: Event 2, heat 1, lan',
    ])
    expect(await entriesOf(await server.fetch(path, { headers: AUTH }))).toHaveLength(4)
    expect((await server.fetch(path)).status).toBe(401)
  })

  it('has the entries of its results, under the same ids', async () => {
    const { batchId, code } = await shared('Tail Race')
    const of = async (path: string) =>
      (await entriesOf(await server.fetch(path, { headers: AUTH }))).map(({ uid }) => uid).sort()
    expect(await of(`/api/batch/${batchId}/calendar.ics`)).toEqual(await of(`/api/result/${code}/calendar.ics`))
  })

  it('of other work there is none', async () => {
    const made = await server.fetch('/api/batch', {
      method: 'POST',
      headers: { ...AUTH, 'Content-Type': 'application/json' },
      body: JSON.stringify({ operation: 'echo', items: [{}] }),
    })
    const { batchId } = await made.json()
    const answer = await server.fetch(`/api/batch/${batchId}/calendar.ics`, { headers: AUTH })
    expect(await errorOf(answer)).toMatchObject({ status: 404, message: expect.stringContaining('"echo"') })
  })
})

it('codes that are tried at random are limited, here as on pages, and a right one is answered all the same', async () => {
  const { code } = await shared('Head Race')
  const statuses: number[] = []
  for (let at = 0; at < 6; at++) statuses.push((await server.fetch(`/api/result/none${at}`)).status)
  expect(statuses.at(-1)).toBe(429)
  const { status, error, message } = await errorOf(await server.fetch('/api/result/none9/calendar.ics'))
  expect([status, error, message]).toEqual([429, 'RATE_LIMIT', expect.stringContaining('Check the code')])
  expect((await server.fetch('/results/none9')).status).toBe(429)
  expect((await server.fetch(`/api/result/${code}`)).status).toBe(200)
})
