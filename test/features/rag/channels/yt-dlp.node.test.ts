/** Pages with players and streams, by the real yt-dlp, from the request to the hit that opens at its second. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { find } from '../../../support/programs.ts'
import { startServer, type TestServer } from '../../../support/server.ts'
import { scaled } from '../../../support/time-limits.ts'
import { contractClient } from '../contract-client.ts'
import { captions, type Site, serveSite } from './sites.ts'

const API = '/api/public/bulk'
const program = find('yt-dlp')

let server: TestServer
let site: Site
beforeAll(async () => {
  site = await serveSite()
  server = await startServer({
    env: { MILLRACE_ALLOW_PRIVATE_URLS: '1', ...(program === null ? {} : { YT_DLP_PATH: program }) },
  })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

const Answer = z.record(z.string(), z.unknown())

async function call(method: string, path: string, body?: unknown) {
  const init = body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
  const response = await server.fetch(`${API}${path}`, { method, ...init })
  return { status: response.status, body: Answer.parse(await response.json()) }
}

const begin = (job_id: string, channel_url: string) =>
  call('POST', '/process', {
    ...{
      job_id,
      channel_url,
      collection: job_id,
      platform: 'documents',
      input_method: 'channel',
      selected_content: [],
    },
    ...{ embedding_model: { id: 'local' }, vector_db: { id: 'builtin' }, settings: {} },
  })

/** Follows a job to its end. @returns its messages */
async function followed(jobId: string): Promise<Record<string, unknown>[]> {
  const messages: Record<string, unknown>[] = []
  const socket = contractClient(server.url, 'YOUR_API_KEY').connectToProgress(jobId, (message) =>
    messages.push(message),
  )
  await new Promise((resolve) => {
    socket.onclose = resolve
  })
  return messages
}

const html = (body: string) => ({ type: 'text/html', body: `<!doctype html>${body}` })
const player = (name: string) =>
  `<video src="/${name}.mp4"><track kind="captions" srclang="en" label="English" src="/${name}.vtt"></video>`

describe.skipIf(program === null)('By yt-dlp', () => {
  it('a page with a player is found by its captions, and known the next time', async () => {
    site.pages.set('/talk.html', html(`<title>The ferry talk</title>${player('ferry')}`))
    site.pages.set('/ferry.mp4', { type: 'video/mp4', body: 'bytes' })
    site.pages.set('/ferry.vtt', captions('The ferry leaves at noon.'))
    const url = `${site.origin}/talk.html`
    const first = await begin('talk', url)
    expect(first.body, JSON.stringify(first.body)).toMatchObject({ channel: { listed: 1, queued: 1, skipped: 0 } })
    expect((await followed('talk')).at(-1)).toMatchObject({ type: 'completed', completed_items: 1 })
    const { body } = await call('POST', '/search', { query: 'When does the ferry leave?', collection: 'talk' })
    const source = { url: `${url}#t=7`, start_seconds: 7, end_seconds: 11 }
    expect(body).toMatchObject({ results: [{ text: 'The ferry leaves at noon.', source }] })
    // The recording itself is not needed.
    expect(site.asked).not.toContain('/ferry.mp4')
    const listed = await call('GET', `/content?channel_url=${encodeURIComponent(url)}&collection=talk`)
    expect(listed.body).toMatchObject({
      content: [{ status: 'done', title: expect.stringContaining('The ferry talk') }],
    })
  })

  it('a stream is found by its captions, which come in segments', async () => {
    const m3u8 = (lines: readonly string[]) => ({
      type: 'application/vnd.apple.mpegurl',
      body: ['#EXTM3U', '#EXT-X-TARGETDURATION:10', ...lines, '#EXT-X-ENDLIST', ''].join('\n'),
    })
    site.pages.set('/live/master.m3u8', {
      type: 'application/vnd.apple.mpegurl',
      body: [
        '#EXTM3U',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="captions.m3u8"',
        '#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.42e00a,mp4a.40.2",SUBTITLES="s"',
        'video.m3u8\n',
      ].join('\n'),
    })
    site.pages.set('/live/video.m3u8', m3u8(['#EXTINF:10,', 'a.ts']))
    site.pages.set('/live/captions.m3u8', m3u8(['#EXTINF:10,', '1.vtt', '#EXTINF:10,', '2.vtt']))
    const segment = (map: number, cues: string) => ({
      type: 'text/vtt',
      body: `WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:${map},LOCAL:00:00:00.000\n\n${cues}\n`,
    })
    site.pages.set('/live/1.vtt', segment(900_000, '00:00:01.000 --> 00:00:04.000\nThe harbour is closed today.'))
    site.pages.set('/live/2.vtt', segment(1_800_000, '00:00:05.000 --> 00:00:08.000\nWe open at dawn tomorrow.'))
    const url = `${site.origin}/live/master.m3u8`
    await begin('streamed', url)
    expect((await followed('streamed')).at(-1)).toMatchObject({ type: 'completed', completed_items: 1 })
    const documents = z.object({ documents: z.array(z.object({ id: z.string(), language: z.string().nullable() })) })
    const [document] = documents.parse((await call('GET', '/documents?collection=streamed')).body).documents
    const transcript = await call('GET', `/documents/${document?.id}/transcript`)
    expect(transcript.body).toMatchObject({
      language: 'en',
      segments: [
        { start_seconds: 1, end_seconds: 4, text: 'The harbour is closed today.' },
        // The second segment begins ten seconds after the first.
        { start_seconds: 15, end_seconds: 18, text: 'We open at dawn tomorrow.' },
      ],
    })
  })

  it('a recording without captions is refused by what it lacks, and its page keeps its name', async () => {
    site.pages.set('/mute.html', html('<title>Mute</title><video src="/mute.mp4"></video>'))
    await begin('mute', `${site.origin}/mute.html`)
    const last = (await followed('mute')).at(-1)
    expect(last).toMatchObject({ type: 'error', message: expect.stringContaining('TRANSCRIBE_BASE_URL') })
  })

  it('another page than one of the platform is refused with the field', async () => {
    const answer = await call('POST', '/process', {
      ...{ job_id: 'other', platform: 'youtube', input_method: 'urls', selected_content: [] },
      pasted_urls: [`${site.origin}/talk.html`],
      ...{ embedding_model: { id: 'local' }, vector_db: { id: 'builtin' }, settings: {} },
    })
    expect(answer).toMatchObject({ status: 400, body: { details: { field: 'pasted_urls.0' } } })
  })

  it('a cancel ends it within two seconds', async () => {
    // Answers when it is listed, and never when it is described.
    const described = Promise.withResolvers<void>()
    const dropped = Promise.withResolvers<number>()
    let asked = 0
    const slow = createServer((request, response) => {
      asked += 1
      // The feed is looked for, then the page is listed.
      if (asked <= 2)
        return void response.setHeader('Content-Type', 'text/html').end(`<title>Slow</title>${player('slow')}`)
      request.socket.once('close', () => dropped.resolve(performance.now()))
      described.resolve()
    }).listen(0, '127.0.0.1')
    await once(slow, 'listening')
    const address = slow.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await begin('slow', `http://127.0.0.1:${port}/`)
    await described.promise
    const cancelledAt = performance.now()
    expect((await server.fetch('/api/batch/slow/cancel', { method: 'POST' })).ok).toBe(true)
    expect((await dropped.promise) - cancelledAt).toBeLessThan(scaled(2_000))
    expect((await followed('slow')).at(-1)).toMatchObject({ type: 'error', status: 'cancelled' })
    slow.close()
  })
})
