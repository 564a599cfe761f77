/** Following a batch: its stream, polling, and the merged results, with exactly the fields that clients know. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { extract, resultsOf, statusOf, toTheEnd } from '../../support/batches.ts'
import { eventsOf, Follower, framesOf } from '../../support/follow.ts'
import { curl, startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'
import { scaled } from '../../support/time-limits.ts'

let server: TestServer
let pdfs: { name: string; bytes: Uint8Array | string }[]
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  pdfs = [
    { name: 'sunday.pdf', bytes: await heatSheet({ meet: 'Weir Classic', firstEvent: 7, date: '3/8/2031' }) },
    { name: 'letter.pdf', bytes: 'Dear parents' },
    { name: 'saturday.pdf', bytes: await heatSheet({ meet: 'Millpond Open', pages: 3, date: '3/7/2031' }) },
  ]
})
afterAll(() => server[Symbol.asyncDispose]())

/** A document at a link, which is handed out only when a test says so. */
async function slowLink(bytes: Uint8Array) {
  const waiting: ServerResponse[] = []
  let isReleased = false
  // "Downloading" is told before the request is here, so it may come after its release.
  const web = createServer((_, response) => {
    response.on('close', () => web.close())
    if (isReleased) response.end(bytes)
    else waiting.push(response)
  }).listen(0, '127.0.0.1')
  await once(web, 'listening')
  const address = web.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/slow.pdf`,
    release() {
      isReleased = true
      for (const response of waiting) response.end(bytes)
    },
  }
}

/** How the job of each document ends, apart from what all events have. */
const COMPLETED = { type: 'job_completed', resultCode: expect.stringMatching(/^[a-z0-9]{8}$/), cached: false }
const ENDS = [
  { ...COMPLETED, eventCount: 1, meetName: 'Weir Classic' },
  { type: 'job_failed', errorCode: 'INVALID_PDF', errorMessage: 'This file is not a PDF.' },
  { ...COMPLETED, eventCount: 3, meetName: 'Millpond Open' },
]
/** Facts of a job that ran once, beside how it ended. */
const RAN_ONCE = {
  itemId: null,
  attempt: 1,
  maxAttempts: 3,
  startedAt: expect.any(String),
  finishedAt: expect.any(String),
}
/** What a result in the closing event says where there is nothing to say. */
const NOTHING = { eventCount: 0, meetName: null, cached: false, errorCode: null, errorMessage: null }

describe('the stream', () => {
  it("tells a batch's story in the five events, with the fields of each", async () => {
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs })
    const { batchId } = accepted
    const text = await curl(['-N', server.url + accepted.streamUrl])
    const events = eventsOf(text)
    const logged = events.filter(({ id }) => id !== null)
    expect(events[0]).toMatchObject({ id: 1, event: { type: 'batch_started' } })
    expect(logged.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5])
    expect(events.filter(({ id }) => id === null).every(({ event }) => event.type === 'job_progress')).toBe(true)
    expect(logged[0]?.event).toEqual({
      type: 'batch_started',
      batchId,
      at: expect.any(String),
      totalJobs: 3,
      swimmerName: SWIMMER,
    })
    const { jobs } = await statusOf(server, batchId)
    const ended = ENDS.map((end, at) => ({
      jobId: jobs[at]?.id,
      sequence: at + 1,
      filename: pdfs[at]?.name,
      url: null,
      ...RAN_ONCE,
      ...end,
    }))
    const bySequence = logged.map(({ event }) => event).filter((event) => 'sequence' in event)
    expect(bySequence.toSorted((a, b) => Number(a.sequence) - Number(b.sequence))).toEqual(
      ended.map((end) => ({ batchId, at: expect.any(String), ...end })),
    )
    const closing = logged.at(-1)?.event
    expect(closing).toMatchObject({
      type: 'batch_completed',
      batchId,
      status: 'partial',
      completedJobs: 2,
      failedJobs: 1,
      totalEvents: 4,
    })
    expect(closing?.type === 'batch_completed' && closing.results).toEqual(
      ended.map(({ type, ...end }, at) => ({
        ...NOTHING,
        ...end,
        status: type === 'job_failed' ? 'failed' : 'completed',
        resultCode: jobs[at]?.resultCode,
      })),
    )
  })

  it('tells of progress by page, with the fields of the seed', async () => {
    // Held back until someone watches, and long enough to be seen while it is read.
    const slow = await slowLink(await heatSheet({ meet: 'Long Course', pages: 400 }))
    const accepted = await extract(server, { swimmer: SWIMMER, urls: [slow.url] })
    const follower = new Follower(server.url + accepted.streamUrl)
    await follower.until(({ data }) => data.status === 'downloading')
    slow.release()
    await follower.completed()
    follower.close()
    const { received } = follower
    const { jobs } = await statusOf(server, accepted.batchId)
    const progress = received.filter(({ event }) => event === 'job_progress').map(({ data }) => data)
    const pages = progress.filter(({ progressMessage }) => /page \d+ of 400/.test(String(progressMessage)))
    expect(pages.length).toBeGreaterThan(0)
    for (const one of progress) {
      expect(one).toEqual({
        type: 'job_progress',
        batchId: accepted.batchId,
        jobId: jobs[0]?.id,
        sequence: 1,
        filename: 'slow.pdf',
        url: slow.url,
        ...RAN_ONCE,
        finishedAt: null,
        status: expect.stringMatching(/^(downloading|processing)$/),
        progressPercent: expect.any(Number),
        progressMessage: expect.any(String),
      })
    }
    const percents = progress.map(({ progressPercent }) => Number(progressPercent))
    expect(percents).toEqual(percents.toSorted((a, b) => a - b))
    expect(received.at(-1)?.event).toBe('batch_completed')
  })

  it('opens at once, names its headers, and says how far a running job is', async () => {
    const slow = await slowLink(await heatSheet({ meet: 'Slow Meet' }))
    const accepted = await extract(server, { swimmer: SWIMMER, urls: [slow.url] })
    const first = new Follower(server.url + accepted.streamUrl)
    await first.until(({ data }) => data.status === 'downloading')
    const answer = await server.fetch(accepted.streamUrl)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': expect.stringMatching(/^text\/event-stream/),
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    expect(answer.headers.get('content-encoding')).toBeNull()
    const second = new Follower(server.url + accepted.streamUrl)
    const told = await second.until(({ event }) => event === 'job_progress')
    expect(told.data).toMatchObject({ sequence: 1, status: 'downloading' })
    expect(second.received[0]).toMatchObject({ id: '1', event: 'batch_started' })
    expect(await statusOf(server, accepted.batchId)).toMatchObject({ batch: { status: 'processing' } })
    slow.release()
    for (const follower of [first, second]) {
      await follower.completed()
      follower.close()
    }
    const text = await answer.text()
    expect(framesOf(text)[0]?.fields.retry).toMatch(/^\d+$/)
    expect(eventsOf(text).at(-1)?.event.type).toBe('batch_completed')
  })

  it('is kept open by comments', { timeout: scaled(60_000) }, async () => {
    const slow = await slowLink(await heatSheet({ meet: 'Slow Meet' }))
    const accepted = await extract(server, { swimmer: SWIMMER, urls: [slow.url] })
    const child = spawn('curl', ['-sN', server.url + accepted.streamUrl])
    const ended = once(child, 'close')
    let text = ''
    const commented = new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
        const frames = framesOf(text)
        const opened = frames.findIndex(({ fields }) => fields.event === 'batch_started')
        if (opened !== -1 && frames.slice(opened).some(({ comments }) => comments.length > 0)) resolve()
      })
    })
    await commented
    slow.release()
    expect(await ended).toEqual([0, null])
    expect(eventsOf(text).at(-1)?.event.type).toBe('batch_completed')
  })
})

describe('a client that comes back', () => {
  it('gets what it has not seen, by header or by query', async () => {
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs })
    const whole = await toTheEnd(server, accepted)
    expect(whole.logged.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5'])
    const later = new Follower(server.url + accepted.streamUrl, 3)
    await later.completed()
    expect(later.received).toEqual(whole.logged.slice(3))
    const byHeader = await curl(['-N', '-H', 'Last-Event-ID: 4', server.url + accepted.streamUrl])
    expect(eventsOf(byHeader).map(({ id }) => id)).toEqual([5])
    const byQuery = await curl(['-N', `${server.url}${accepted.streamUrl}?lastEventId=2`])
    expect(eventsOf(byQuery).map(({ id }) => id)).toEqual([3, 4, 5])
    const both = await curl(['-N', '-H', 'Last-Event-ID: 4', `${server.url}${accepted.streamUrl}?lastEventId=1`])
    expect(eventsOf(both).map(({ id }) => id)).toEqual([5])
    later.close()
  })

  it('is told by 204 that there is nothing more, so that EventSource stops', async () => {
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs: pdfs.slice(0, 1) })
    const follower = new Follower(server.url + accepted.streamUrl)
    await follower.completed()
    expect(await follower.closed).toBe(204)
    expect(follower.logged.map(({ event }) => event)).toEqual(['batch_started', 'job_completed', 'batch_completed'])
  })

  it.each(['99', 'abc', '-1'])('with the event number %s is given the state as it is', async (id) => {
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs: pdfs.slice(0, 1) })
    await toTheEnd(server, accepted)
    const [frame] = framesOf(await curl(['-N', '-H', `Last-Event-ID: ${id}`, server.url + accepted.streamUrl])).filter(
      ({ fields }) => fields.data !== undefined,
    )
    expect(frame?.fields).toMatchObject({ id: '3', event: 'resync' })
    expect(JSON.parse(frame?.fields.data ?? '')).toMatchObject({ success: true, batch: { status: 'completed' } })
  })
})

describe('polling', () => {
  it('answers as the seed has it', async () => {
    const { batchId, streamUrl } = await extract(server, { swimmer: SWIMMER, pdfs })
    await toTheEnd(server, { streamUrl })
    const status = await statusOf(server, batchId)
    expect(status.batch).toMatchObject({
      id: batchId,
      swimmerName: SWIMMER,
      status: 'partial',
      totalJobs: 3,
      completedJobs: 2,
      failedJobs: 1,
    })
    expect(status.jobs).toMatchObject([
      {
        id: expect.any(String),
        sequence: 1,
        filename: 'sunday.pdf',
        url: null,
        status: 'completed',
        progressPercent: 100,
        resultCode: expect.any(String),
        error: null,
      },
      { sequence: 2, filename: 'letter.pdf', status: 'failed', resultCode: null, error: 'This file is not a PDF.' },
      {
        sequence: 3,
        filename: 'saturday.pdf',
        status: 'completed',
        progressPercent: 100,
        resultCode: expect.any(String),
        error: null,
      },
    ])
  })

  it.each(['', '/stream', '/results'])('for a batch that is not there is a 404 at %j', async (path) => {
    const response = await server.fetch(`/api/batch/0198a000-0000-7000-8000-000000000000${path}`)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({
      success: false,
      error: 'NOT_FOUND',
      message: expect.any(String),
      requestId: response.headers.get('X-Request-Id'),
    })
  })
})

describe('the results', () => {
  it('are one schedule, by day and event, each event with its document', async () => {
    const accepted = await extract(server, { swimmer: 'quill, ada', pdfs })
    await toTheEnd(server, accepted)
    const { jobs } = await statusOf(server, accepted.batchId)
    const merged = await resultsOf(server, accepted.batchId)
    expect(Object.keys(merged).toSorted()).toEqual([
      'events',
      'sources',
      'success',
      'swimmerName',
      'totalEvents',
      'warnings',
    ])
    expect(merged).toMatchObject({ success: true, swimmerName: 'quill, ada', totalEvents: 4 })
    expect(merged.sources).toEqual([
      {
        sequence: 1,
        filename: 'sunday.pdf',
        url: null,
        meetName: 'Weir Classic',
        sessionDate: '2031-03-08',
        eventCount: 1,
        resultCode: jobs[0]?.resultCode,
      },
      {
        sequence: 3,
        filename: 'saturday.pdf',
        url: null,
        meetName: 'Millpond Open',
        sessionDate: '2031-03-07',
        eventCount: 3,
        resultCode: jobs[2]?.resultCode,
      },
    ])
    expect(
      merged.events.map(({ sessionDate, eventNumber, source }) => [sessionDate, eventNumber, source.filename]),
    ).toEqual([
      ['2031-03-07', 1, 'saturday.pdf'],
      ['2031-03-07', 2, 'saturday.pdf'],
      ['2031-03-07', 3, 'saturday.pdf'],
      ['2031-03-08', 7, 'sunday.pdf'],
    ])
    expect(merged.events[0]).toMatchObject({
      eventName: 'Girls 11-12 100 Yard Freestyle',
      heatNumber: 1,
      lane: 3,
      swimmerName: 'Ada Quill',
      age: 12,
      team: 'MILL',
      seedTime: '59.10',
      heatStartTime: '09:05',
    })
  })

  it('are what is there so far while the batch runs', async () => {
    const slow = await slowLink(await heatSheet({ meet: 'Slow Meet' }))
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs: pdfs.slice(0, 1), urls: [slow.url] })
    const follower = new Follower(server.url + accepted.streamUrl)
    await follower.until(({ event }) => event === 'job_completed')
    expect(await resultsOf(server, accepted.batchId)).toMatchObject({ totalEvents: 1 })
    slow.release()
    await follower.completed()
    expect(await resultsOf(server, accepted.batchId)).toMatchObject({ totalEvents: 2 })
    follower.close()
  })

  it('of a swimmer who is on no sheet are empty, with a warning for each that says so', async () => {
    const accepted = await extract(server, {
      swimmer: 'Nobody Atall',
      pdfs: [pdfs[0], pdfs[2]].flatMap((pdf) => pdf ?? []),
    })
    const { data } = await (await toTheEnd(server, accepted)).completed()
    expect(data).toMatchObject({ status: 'completed', completedJobs: 2, totalEvents: 0 })
    const merged = await resultsOf(server, accepted.batchId)
    expect(merged.events).toEqual([])
    expect(merged.warnings).toHaveLength(2)
    expect(merged.warnings[0]).toMatch(/sunday\.pdf.*Nobody Atall/)
  })
})

describe('the answer that a stream is', () => {
  it('has the headers of every answer, the same on both runtimes', async () => {
    const { streamUrl } = await extract(server, { swimmer: SWIMMER, pdfs })
    const { status, headers, body } = await server.fetch(streamUrl, { headers: { Origin: server.url } })
    await body?.cancel()
    expect(status).toBe(200)
    // How bytes go over the wire is the platform's.
    const OF_THE_WIRE = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date', 'content-length'])
    expect(Object.fromEntries([...headers].filter(([name]) => !OF_THE_WIRE.has(name)))).toEqual({
      'access-control-allow-origin': server.url,
      'access-control-expose-headers': expect.stringMatching(/^X-Request-Id,.*,Location$/),
      'cache-control': 'no-cache, no-transform',
      'content-type': 'text/event-stream; charset=utf-8',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'origin-agent-cluster': '?1',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=15552000; includeSubDomains',
      vary: 'Origin',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      'x-dns-prefetch-control': 'off',
      'x-download-options': 'noopen',
      'x-frame-options': 'SAMEORIGIN',
      'x-permitted-cross-domain-policies': 'none',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'x-xss-protection': '0',
    })
  })
})
