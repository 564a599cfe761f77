/** The page of a meet in place of links: its PDFs become documents, known by the words that lead to them. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExtractAccepted } from '../../../src/features/heat-sheets/schemas.ts'
import { errorOf, formOf, post, resultsOf, statusOf, toTheEnd } from '../../support/batches.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'

const PAGES: Readonly<Record<string, string>> = {
  '/meets/spring': `<!doctype html><meta charset="windows-1252"><title>Spring</title>
    <a href="/meets/spring">This page</a> <a name="top">Top</a>
    <ul><li><a href="../files/friday.pdf#page=2">Friday &amp; <b>Sch\xfctzen</b>\n heats</a>
    <li><a href="/files/saturday.pdf?v=2"><img src="x.png" alt="Saturday heats"></a>
    <li><a href="/files/friday.pdf">Again</a>
    <li><a href="/download?file=sunday.PDF">Sunday</a> <li><a href="mailto:a@example.com">Mail</a> <a href="http://[">Bad</a>
    <li><a href="https://elsewhere.example.com/results.pdf">Results</a></ul>`,
  '/none': '<a href="https://elsewhere.example.com/results.pdf">Results</a><a href="/rules.html">Rules</a>',
  '/empty': '<p>Soon.</p>',
  '/many': Array.from({ length: 101 }, (_, i) => `<a href="/files/${i}.pdf">${i}</a>`).join(''),
}

let server: TestServer
let origin: string
let sheet: Uint8Array
const website = createServer((request, response) => {
  const page = PAGES[request.url ?? '']
  if (page !== undefined) response.setHeader('Content-Type', 'text/html').end(Buffer.from(page, 'latin1'))
  else if (request.url === '/moved') response.writeHead(302, { Location: '/meets/spring' }).end()
  else if (request.url === '/broken') response.writeHead(503).end()
  else if (/\.pdf/i.test(request.url ?? '')) {
    response.setHeader('Content-Disposition', 'attachment; filename="a8f3.pdf"').end(sheet)
  } else response.writeHead(404).end()
})
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  sheet = await heatSheet({ meet: 'Spring Open' })
  website.listen(0, '127.0.0.1')
  await once(website, 'listening')
  const address = website.address()
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
})
afterAll(async () => {
  website.closeAllConnections()
  website.close()
  await server[Symbol.asyncDispose]()
})

function formWith(fields: Readonly<Record<string, string>>, swimmer: string | undefined = SWIMMER): FormData {
  const form = formOf(swimmer === undefined ? {} : { swimmer })
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return form
}

it.each(['/meets/spring', '/moved'])('reads %s, and the PDFs on its host once each', async (path) => {
  const response = await post(server, formWith({ meet_url: origin + path }))
  const accepted = ExtractAccepted.parse(await response.json())
  expect(accepted.totalJobs).toBe(3)
  await toTheEnd(server, accepted)
  const { jobs } = await statusOf(server, accepted.batchId)
  expect(jobs).toMatchObject([
    { filename: 'Friday & Schützen heats', url: `${origin}/files/friday.pdf`, status: 'completed' },
    { filename: 'Saturday heats', url: `${origin}/files/saturday.pdf?v=2`, status: 'completed' },
    { filename: 'Sunday', url: `${origin}/download?file=sunday.PDF`, status: 'completed' },
  ])
  const { sources } = await resultsOf(server, accepted.batchId)
  expect(sources.map(({ filename }) => filename)).toEqual(jobs.map(({ filename }) => filename))
})

it('takes PDFs of hosts that are listed, beside files and links', async () => {
  const fields = { meet_url: `${origin}/meets/spring`, meet_hosts: 'elsewhere.example.com, cdn.example.com:8080' }
  const form = formWith({ ...fields, urls: JSON.stringify([`${origin}/files/friday.pdf`, `${origin}/own.pdf`]) })
  const { batchId, totalJobs } = ExtractAccepted.parse(await (await post(server, form)).json())
  expect(totalJobs).toBe(5)
  const { jobs } = await statusOf(server, batchId)
  expect(jobs.map(({ url }) => url)).toContain('https://elsewhere.example.com/results.pdf')
})

it('answers the first batch again under the same key, whatever the page says by then', async () => {
  const headers = { 'Idempotency-Key': 'the-spring-meet' }
  const send = async (path: string) => post(server, formWith({ meet_url: origin + path }), headers)
  const first = ExtractAccepted.parse(await (await send('/meets/spring')).json())
  const again = await send('/meets/spring')
  expect(ExtractAccepted.parse(await again.json()).batchId).toBe(first.batchId)
  expect((await send('/moved')).status).toBe(422)
})

describe('a form is refused', () => {
  it.each([
    ['of a page that links to PDFs elsewhere alone', '/none', 'INVALID_REQUEST', /elsewhere\.example\.com.*meet_hosts/],
    ['of a page without PDFs', '/empty', 'INVALID_REQUEST', /links to no PDF/],
    ['of a page that is not there', '/nowhere', 'INVALID_REQUEST', /could not be read/],
    ['of a page that is a PDF', '/files/friday.pdf', 'INVALID_REQUEST', /Send it in "urls"/],
    ['of a page that is not to be had now', '/broken', 'SERVICE_UNAVAILABLE', /could not be read/],
  ])('%s', async (_, path, error, message) => {
    expect(await errorOf(await post(server, formWith({ meet_url: origin + path })))).toMatchObject({
      error,
      field: 'meet_url',
      message: expect.stringMatching(message),
    })
  })

  it.each([
    ['of what is no link', { meet_url: 'spring' }, 'meet_url', /not a link/],
    ['of a link that is none of the web', { meet_url: 'ftp://example.com/' }, 'meet_url', /https/],
    ['of what is no host', { meet_url: 'https://example.com/', meet_hosts: 'a/b' }, 'meet_hosts', /no host/],
    ['of hosts without a page', { meet_hosts: 'example.com' }, 'meet_hosts', /meet_url/],
    ['of a misspelt field', { meet_ulr: 'https://example.com/' }, 'meet_ulr', /Did you mean "meet_url"/],
  ])('%s', async (_, fields, field, message) => {
    expect(await errorOf(await post(server, formWith(fields)))).toMatchObject({
      status: 400,
      field,
      message: expect.stringMatching(message),
    })
  })

  it('of a page with more than a hundred', async () => {
    expect(await errorOf(await post(server, formWith({ meet_url: `${origin}/many` })))).toMatchObject({
      status: 400,
      error: 'BATCH_TOO_LARGE',
    })
  })
})

it('reads no page of a private address', async () => {
  await using guarded = await startServer({})
  expect(await errorOf(await post(guarded, formWith({ meet_url: `${origin}/meets/spring` })))).toMatchObject({
    status: 400,
    field: 'meet_url',
    message: expect.stringMatching(/could not be read/),
  })
})
