/** In a real browser: its own EventSource, and @microsoft/fetch-event-source. */
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CHROMIUM, launchChromium } from '../support/chromium.ts'
import { openLiveServer } from '../support/live-server.ts'
import { freePort } from '../support/programs.ts'
import { upTo } from '../support/raw-client.ts'
import { freshFolder, ON_CLOUDFLARE, startServer, type TestServer } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'

const LIBRARY = join(dirname(fileURLToPath(import.meta.resolve('@microsoft/fetch-event-source'))), '..', 'esm')

/** A page of another origin than the server's, with the library beside it. */
function servePage(): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const name = /^\/(\w+)(\.js)?$/.exec(request.url ?? '')?.[1]
    if (name === undefined) {
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>follow</title>')
      return
    }
    readFile(join(LIBRARY, `${name}.js`), 'utf8').then(
      (text) => response.setHeader('Content-Type', 'text/javascript').end(text),
      () => response.writeHead(404).end(),
    )
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve({ server, url: `http://127.0.0.1:${address.port}/` })
    })
  })
}

interface Seen {
  ids: number[]
  types: string[]
  errors: number
}

/** Follows with the browser's EventSource until it is closed for good. */
function followInPage(page: Page, url: string): Promise<Seen> {
  return page.evaluate(
    (address) =>
      new Promise<Seen>((resolve) => {
        const seen: Seen = { ids: [], types: [], errors: 0 }
        const source = new EventSource(address)
        for (const type of ['batch_started', 'job_completed', 'batch_completed']) {
          source.addEventListener(type, (message) => {
            if (message instanceof MessageEvent) seen.ids.push(Number(message.lastEventId))
            seen.types.push(message.type)
          })
        }
        source.addEventListener('error', () => {
          seen.errors++
          if (source.readyState === EventSource.CLOSED) resolve(seen)
        })
      }),
    url,
  )
}

describe.skipIf(CHROMIUM === null)('Chromium', () => {
  let browser: Browser
  let page: Page
  let site: { server: Server; url: string }
  beforeAll(async () => {
    site = await servePage()
    browser = await launchChromium()
    page = await browser.newPage()
    await page.goto(site.url)
  })
  afterAll(async () => {
    await browser?.close()
    site.server.close()
  })

  it('follows to the end, comes back once, and stops at 204', async () => {
    const live = await openLiveServer()
    const batchId = await live.writer.begin()
    const seen = followInPage(page, live.streamUrl(batchId))
    while ((await live.held([batchId])) === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    for (let n = 0; n < 50; n++) await live.writer.write(batchId, 2)
    await live.writer.finish(batchId)
    expect(await seen).toMatchObject({ ids: upTo(102), errors: 2 })
    await live.close()
  })

  // Half a minute on Cloudflare, where a lease runs out before what was cut off is taken back.
  it('goes on where it was when the server is stopped and started again', { timeout: scaled(120_000) }, async () => {
    const dataDir = await freshFolder()
    const port = await freePort()
    const start = () => startServer({ dataDir, port })
    const first: TestServer = await start()
    const created = await first.fetch('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ operation: 'echo', items: upTo(10).map((n) => ({ waitMs: n * 400 })) }),
    })
    const { streamUrl } = z.object({ streamUrl: z.string() }).parse(await created.json())
    const seen = followInPage(page, first.url + streamUrl)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    const exit = await first.end('SIGTERM')
    // On Cloudflare it is the test's own runtime that ends.
    if (!ON_CLOUDFLARE) expect(exit).toEqual({ code: 0, signal: null })
    await using second = await start()
    const { ids, types, errors } = await seen
    expect(second.url).toBe(first.url)
    expect(ids).toEqual(upTo(12))
    expect(types).toEqual(['batch_started', ...Array(10).fill('job_completed'), 'batch_completed'])
    expect(errors).toBeGreaterThan(2)
  })

  it('with fetch-event-source follows to the end', async () => {
    const live = await openLiveServer()
    const batchId = await live.writer.begin()
    // As text: the test runner would rewrite an import in a function.
    const seen = page.evaluate(`(async () => {
      const { fetchEventSource } = await import(${JSON.stringify(`${site.url}index.js`)})
      const ids = []
      let closed = 0
      await fetchEventSource(${JSON.stringify(live.streamUrl(batchId))}, {
        openWhenHidden: true,
        onmessage: ({ id, event }) => event !== '' && ids.push(Number(id)),
        onclose: () => closed++,
      })
      return { ids, closed }
    })()`)
    while ((await live.held([batchId])) === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    for (let n = 0; n < 50; n++) await live.writer.write(batchId, 2)
    await live.writer.finish(batchId)
    expect(await seen).toEqual({ ids: upTo(102), closed: 1 })
    await live.close()
  })
})
