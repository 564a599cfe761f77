/** The page of a result, for whoever has its code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { extract, resultsOf, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, OTHER, type SheetOptions, SWIMMER } from '../../support/sheets.ts'

const KEY = 'a-key-for-shared-results'
const AUTH = { Authorization: `Bearer ${KEY}` }

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: KEY } })
})
afterAll(() => server[Symbol.asyncDispose]())

/** A batch of one sheet of its own that has ended, and the code of its result. */
async function shared(
  meet: string,
  { swimmer = SWIMMER, ...sheet }: Partial<SheetOptions> & { swimmer?: string } = {},
): Promise<{ batchId: string; code: string }> {
  const pdfs = [{ name: 'sheet.pdf', bytes: await heatSheet({ meet, pages: 2, ...sheet }) }]
  const accepted = await extract(server, { swimmer, pdfs }, AUTH)
  await toTheEnd(server, accepted)
  const { sources } = await resultsOf(server, accepted.batchId, { headers: AUTH })
  return { batchId: accepted.batchId, code: sources[0]?.resultCode ?? '' }
}

async function page(code: string, init?: RequestInit) {
  const response = await server.fetch(`/results/${code}`, init)
  return { status: response.status, headers: response.headers, text: await response.text() }
}

describe('a result that is shared', () => {
  it('is a page for everybody, of that swimmer alone', async () => {
    const { code } = await shared('Millpond Open')
    const { status, headers, text } = await page(code)
    expect([status, headers.get('Content-Type')]).toEqual([200, 'text/html; charset=UTF-8'])
    expect(text).toContain(`<h1>${SWIMMER}, Millpond Open</h1>`)
    expect(text.match(/<li>/g)).toHaveLength(2)
    for (const fact of [
      '1 Girls 11-12 100 Yard Freestyle',
      '2 Girls 11-12 100 Yard Freestyle',
      '09:05',
      '59.10',
      'MILL',
    ]) {
      expect(text).toContain(fact)
    }
    expect(text).not.toContain(OTHER)
    // Their name, team and age are told once, however many events there are.
    for (const once of [SWIMMER, 'MILL', '12 · ']) expect(text.split('<main>')[1]?.split(once)).toHaveLength(2)
  })

  it('groups events by day, and leads to calendars to be taken once and to be followed', async () => {
    const { code } = await shared('Lock Invitational')
    const { text } = await page(code)
    expect(text).toContain('<h2>Friday, 7 March 2031</h2>')
    expect(text.match(/<h2>/g)).toHaveLength(1)
    expect(text).toContain('<time datetime="2031-03-07T09:05">09:05</time>')
    const [, once = '', followed = ''] = /class="calendar"><a href="([^"]+)".*<a href="(webcal:[^"]+)"/.exec(text) ?? []
    expect(new URL(once).pathname).toBe(`/api/result/${code}/calendar.ics`)
    const calendar = await server.fetch(new URL(followed.replace('webcal:', 'http:')).pathname)
    expect(await calendar.text()).toContain('BEGIN:VEVENT')
  })

  it('says about when a heat is whose start the sheet does not print, on the page and in the calendar', async () => {
    const { code } = await shared('Spring Final', { secondHeat: true })
    const { text } = await page(code)
    expect(text).toContain('<small>about</small> <time datetime="2031-03-07T09:06">09:06</time>')
    const calendar = await (await server.fetch(`/api/result/${code}/calendar.ics`)).text()
    expect(calendar).toContain('DTSTART:20310307T090600')
    expect(calendar.replaceAll('\r\n ', '')).toContain('heat 2\\, lane 3\\, about 09:06')
  })

  it('is not for search engines, nor for caches, and runs nothing', async () => {
    const { headers, text } = await page((await shared('Weir Classic')).code)
    expect([headers.get('X-Robots-Tag'), headers.get('Cache-Control')]).toEqual(['noindex', 'no-cache'])
    expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'")
    expect(text).toContain('<meta name="robots" content="noindex">')
  })

  it('is found by a code that somebody wrote in capitals', async () => {
    const { code } = await shared('Sluice Meet')
    expect((await page(code.toUpperCase())).text).toContain('Sluice Meet')
  })

  it('of a swimmer who is not on the sheet says so, and names nobody else', async () => {
    const { text } = await page((await shared('Leat Cup', { swimmer: 'Ada Quilt' })).code)
    expect(text).toContain('No event of Ada Quilt was found on this sheet.')
    for (const name of [SWIMMER, 'Quill', OTHER]) expect(text).not.toContain(name)
  })

  it('shows names as text, whatever they hold', async () => {
    const { text } = await page((await shared('Tail Race', { swimmer: 'Ada <script>alert(1)</script>' })).code)
    expect(text).toContain('Ada &lt;script&gt;')
    expect(text).not.toContain('<script')
  })

  it('is gone with its batch, and only with that', async () => {
    const kept = await shared('Head Race')
    const gone = await shared('Head Race')
    expect(gone.code).not.toBe(kept.code)
    const deleted = await server.fetch(`/api/batch/${gone.batchId}`, { method: 'DELETE', headers: AUTH })
    expect(deleted.status).toBeLessThan(300)
    expect([(await page(gone.code)).status, (await page(kept.code)).status]).toEqual([404, 200])
  })
})

describe('a code that nothing has', () => {
  it('is a page that says so, with or without a key', async () => {
    for (const code of ['aaaaaaaa', 'x', '%00', '..%2f..%2fetc', 'a'.repeat(2_000)]) {
      const { status, headers, text } = await page(code)
      expect([code, status, headers.get('X-Robots-Tag')]).toEqual([code, 404, 'noindex'])
      expect(text).toContain('There is nothing at this address, or no longer.')
      expect(text).toContain('Ask for a new one')
    }
    expect((await page('aaaaaaaa', { headers: AUTH })).status).toBe(404)
  })
})
