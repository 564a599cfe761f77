/** Feeds as channels: listed, processed, and processed again for what is new alone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { startServer, type TestServer } from '../../../support/server.ts'
import { contractClient } from '../contract-client.ts'
import { captions, feed, type Site, serveSite } from './sites.ts'

const API = '/api/public/bulk'

let server: TestServer
let site: Site
beforeAll(async () => {
  site = await serveSite()
  server = await startServer({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1', RATE_LIMITS: 'rag.process=none' } })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

const Answer = z.record(z.string(), z.unknown())
type Answer = z.infer<typeof Answer>

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Answer }> {
  const init = body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
  const response = await server.fetch(`${API}${path}`, { method, ...init })
  return { status: response.status, body: Answer.parse(await response.json()) }
}

const request = (job_id: string, more: Answer) => ({
  job_id,
  platform: 'documents',
  input_method: 'channel',
  selected_content: [],
  embedding_model: { id: 'local' },
  vector_db: { id: 'builtin' },
  settings: {},
  ...more,
})

/** Processes a channel and waits for its end. @returns the answer, and the status then */
async function processed(job_id: string, more: Answer): Promise<{ answer: Answer; status: Answer }> {
  const { status, body: answer } = await call('POST', '/process', request(job_id, more))
  expect(status, JSON.stringify(answer)).toBe(200)
  await new Promise((resolve) => {
    contractClient(server.url, 'YOUR_API_KEY').connectToProgress(job_id, () => {}).onclose = resolve
  })
  return { answer, status: (await call('GET', `/job/${job_id}/status`)).body }
}

const content = (channel: string, more = '') =>
  call('GET', `/content?channel_url=${encodeURIComponent(channel)}${more}`)

/** Serves a feed of episodes. @returns its address */
function publish(path: string, names: readonly string[], more?: (name: string) => string): string {
  for (const name of names) site.pages.set(`/${name}.vtt`, captions(`This is what ${name} says.`))
  site.pages.set(path, feed(site.origin, names, more))
  return `${site.origin}${path}`
}

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}${at}`)

describe('a feed', () => {
  it('is processed by its transcripts, and answers with the page of the episode at the second', async () => {
    const channel_url = publish('/talks.xml', ['ferries', 'lighthouses'])
    const { answer, status } = await processed('talks-1', { channel_url, collection: 'talks' })
    const report = { url: channel_url, title: 'Talks', listed: 2, queued: 2, skipped: 0, left: 0, complete: true }
    expect(answer).toMatchObject({ success: true, channel: report, sync: null })
    expect(status).toMatchObject({ status: 'completed', channel: report, result: { completed_items: 2 } })
    const { body } = await call('POST', '/search', { query: 'What is said of lighthouses?', collection: 'talks' })
    expect(body).toMatchObject({
      results: [
        {
          text: 'This is what lighthouses says.',
          source: {
            title: 'Episode lighthouses',
            url: `${site.origin}/episodes/lighthouses#t=7`,
            start_seconds: 7,
            end_seconds: 11,
          },
        },
        {},
      ],
    })
    expect(site.asked).not.toContain('/ferries.mp3')
  })

  it('of 100 with 3 new makes 3 jobs; sent again it makes none, and that job has ended', async () => {
    const old = numbered('old', 97)
    const channel_url = publish('/hundred.xml', old)
    const collection = 'hundred'
    expect((await processed('hundred-1', { channel_url, collection })).answer.channel).toMatchObject({ queued: 97 })
    publish('/hundred.xml', ['new1', 'new2', 'new3', ...old])
    const second = await processed('hundred-2', { channel_url, collection })
    expect(second.answer.channel).toMatchObject({ listed: 100, queued: 3, skipped: 97 })
    expect(second.status).toMatchObject({ total_content: 3, status: 'completed' })
    const third = await processed('hundred-3', { channel_url, collection })
    expect(third.answer.channel).toMatchObject({ listed: 100, queued: 0, skipped: 100 })
    expect(third.status).toMatchObject({ total_content: 0, status: 'completed', progress: 100 })
    // Sent again under its own id, it is the same job.
    const again = await call('POST', '/process', request('hundred-2', { channel_url, collection }))
    expect(again.body).toMatchObject({ job_id: 'hundred-2', channel: second.answer.channel })
  })

  it('has what changed processed again, and what was changed in its settings', async () => {
    const channel_url = publish('/changing.xml', ['left', 'right'])
    const collection = 'changing'
    await processed('changing-1', { channel_url, collection })
    site.pages.set('/changing.xml', {
      type: 'application/rss+xml',
      body: (site.pages.get('/changing.xml')?.body ?? '').replace('<title>Episode left', '<title>Renamed left'),
    })
    const listed = await content(channel_url, '&collection=changing')
    expect(listed.body.content).toMatchObject([
      { id: 'left', status: 'changed' },
      { id: 'right', status: 'done' },
    ])
    const { answer } = await processed('changing-2', { channel_url, collection })
    expect(answer.channel).toMatchObject({ queued: 1, skipped: 1 })
    // Its bytes are the same, so that only what is listed of it was written.
    const { body } = await call('GET', '/documents?collection=changing')
    expect(body.documents).toEqual(expect.arrayContaining([expect.objectContaining({ title: 'Renamed left' })]))
    const smaller = { channel_url, collection, settings: { chunkSize: 512 } }
    expect((await processed('changing-3', smaller)).answer.channel).toMatchObject({ queued: 2, skipped: 0 })
  })

  it('is listed in pages, with lengths and dates, and only what is selected is processed', async () => {
    const channel_url = publish('/pages.xml', numbered('page', 5))
    const collection = 'pages'
    await processed('pages-1', { channel_url, collection, selected_content: ['page3'] })
    const first = await content(channel_url, '&limit=3&collection=pages')
    expect(first.body).toMatchObject({ channel: { url: channel_url, title: 'Talks' } })
    expect(first.body.content).toMatchObject([{ id: 'page0' }, { id: 'page1' }, { id: 'page2', status: 'new' }])
    const second = await content(channel_url, `&limit=3&collection=pages&cursor=${first.body.next}`)
    expect(second.body).toEqual({
      channel: { url: channel_url, title: 'Talks' },
      content: [
        {
          id: 'page3',
          title: 'Episode page3',
          url: `${site.origin}/episodes/page3`,
          duration_seconds: 61,
          published_at: '2026-11-02T10:00:00.000Z',
          status: 'done',
          document_id: expect.any(String),
        },
        expect.objectContaining({ id: 'page4', status: 'new', document_id: null }),
      ],
      next: null,
    })
  })

  it('of pages has the pages read, and an Atom feed is one too', async () => {
    site.pages.set('/article', {
      type: 'text/html',
      body: '<title>An article</title><p>The mill was built of oak.</p>',
    })
    site.pages.set('/atom.xml', {
      type: 'application/atom+xml',
      body: `<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title><entry><id>urn:1</id><title>The mill</title>
        <updated>2026-11-02T10:00:00Z</updated><link href="/article"/></entry></feed>`,
    })
    await processed('atom-1', { channel_url: `${site.origin}/atom.xml`, collection: 'atom' })
    const { body } = await call('POST', '/search', { query: 'What was the mill built of?', collection: 'atom' })
    expect(body).toMatchObject({ results: [{ source: { title: 'The mill', url: `${site.origin}/article` } }] })
  })

  it('can be processed by itself, which is listed, changed and stopped', async () => {
    const channel_url = publish('/synced.xml', ['dawn'])
    const more = { channel_url, collection: 'synced', sync: { every: '24h', on_gone: 'delete' } }
    const { answer } = await processed('synced-1', more)
    const sync = z.object({ id: z.string() }).loose().parse(answer.sync)
    expect(sync).toMatchObject({
      platform: 'documents',
      channel_url,
      collection: 'synced',
      every: '24h',
      on_gone: 'delete',
      last_run: null,
    })
    await processed('synced-2', { ...more, sync: { every: '7d' } })
    const listed = await call('GET', '/syncs')
    expect(listed.body).toMatchObject({ syncs: [{ id: sync.id, every: '7d', on_gone: 'keep' }], next: null })
    expect(await call('DELETE', `/syncs/${sync.id}`)).toEqual({ status: 200, body: { success: true } })
    expect((await call('DELETE', `/syncs/${sync.id}`)).status).toBe(404)
    expect((await call('GET', '/syncs')).body).toEqual({ syncs: [], next: null })
  })
})

describe('what this server cannot do is refused at once, with the field and the way out', () => {
  const refused = async (more: Answer) => {
    const { status, body } = await call('POST', '/process', request('refused', more))
    return { status, field: z.object({ field: z.string() }).loose().parse(body.details).field, message: body.message }
  }

  it.each(['youtube', 'tiktok', 'twitch'])('a channel of %s without yt-dlp', async (platform) => {
    const channel_url = `https://www.${platform === 'twitch' ? 'twitch.tv' : `${platform}.com`}/@someone`
    const error = await refused({ platform, channel_url })
    expect(error).toMatchObject({ status: 400, field: 'platform', message: expect.stringContaining('YT_DLP_PATH') })
    const urls = await refused({ platform, input_method: 'urls', pasted_urls: [channel_url] })
    expect(urls).toMatchObject({ status: 400, field: 'platform' })
  })

  it('a page that is no feed', async () => {
    site.pages.set('/page', { type: 'text/html', body: '<p>Hello</p>' })
    const error = await refused({ channel_url: `${site.origin}/page` })
    expect(error).toMatchObject({ status: 400, field: 'channel_url', message: expect.stringContaining('YT_DLP_PATH') })
  })

  it('recordings without transcripts', async () => {
    const body = feed(site.origin, ['mute']).body.replace(/<podcast:transcript[^>]*>/, '')
    site.pages.set('/mute.xml', { type: 'application/rss+xml', body })
    const error = await refused({ channel_url: `${site.origin}/mute.xml` })
    expect(error).toMatchObject({
      status: 400,
      field: 'channel_url',
      message: expect.stringContaining('TRANSCRIBE_BASE_URL'),
    })
  })

  it.each([
    [{}, 'channel_url'],
    [{ channel_url: 'ftp://example.com/feed' }, 'channel_url'],
    [{ channel_url: 'https://example.com/f', sync: { every: '1s' } }, 'sync.every'],
    [{ channel_url: 'https://example.com/f', sync: { every: '1d', on_gone: 'hide' } }, 'sync.on_gone'],
    [{ input_method: 'urls', pasted_urls: ['https://example.com/f'], sync: { every: '1d' } }, 'sync'],
  ] as const)('%j', async (more, field) => {
    expect(await refused(more)).toMatchObject({ status: 400, field })
  })

  it('an item that the channel does not list, and a page of it that no answer named', async () => {
    const channel_url = publish('/small.xml', ['only'])
    expect(await refused({ channel_url, selected_content: ['other'] })).toMatchObject({ field: 'selected_content.0' })
    expect((await content(channel_url, '&cursor=bm8')).status).toBe(400)
  })
})
