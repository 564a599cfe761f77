/** Behind a proxy that buffers by default: nginx as Debian ships it. On Node alone: what stands before a Worker is Cloudflare's own. */
import { EventSource } from 'eventsource'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ServerProcess } from '../support/live-app-process.ts'
import { find, Nginx } from '../support/programs.ts'
import { RawClient, upTo } from '../support/raw-client.ts'
import { curl, startServer } from '../support/server.ts'

const nginx = find('nginx')

describe.skipIf(nginx === null)('behind nginx with its defaults', () => {
  const proxyTo = (url: string) => Nginx.start(nginx ?? '', { locations: `location / { proxy_pass ${url}; }` })

  it('every event arrives while the stream is open, and the end of the stream is its end', async () => {
    await using server = await ServerProcess.start()
    await using proxy = await proxyTo(server.url)
    const batchId = await server.begin()
    const url = `${proxy.url}/api/batch/${batchId}/stream`
    const client = new RawClient(url)
    for (const seq of upTo(20)) {
      // Each is written only when the one before has come through.
      await client.until(() => client.cursor === seq)
      await server.write(batchId, 1)
    }
    expect(client.headers['content-encoding']).toBeUndefined()
    const text = curl(['-N', url])
    await server.finish(batchId)
    expect(await client.ended).toBe(true)
    expect(client.ids).toEqual(upTo(22))
    expect((await text).match(/^id: \d+$/gm)).toEqual(upTo(22).map((seq) => `id: ${seq}`))
  })

  it('many megabytes to a client that stalls on the far side arrive whole and in order', async () => {
    await using server = await ServerProcess.start()
    await using proxy = await proxyTo(server.url)
    const batchId = await server.begin()
    const client = new RawClient(`${proxy.url}/api/batch/${batchId}/stream`)
    await client.until(() => client.cursor === 1)
    client.stall()
    for (let slice = 0; slice < 8; slice++) await server.write(batchId, 50, 40_000)
    await server.finish(batchId)
    client.resume()
    await client.ended
    expect(client.ids).toEqual(upTo(402))
  })

  it('a server that is told to stop ends the stream; until another is there an EventSource is given up on with 502', async () => {
    await using server = await startServer()
    await using proxy = await proxyTo(server.url)
    const created = await server.fetch('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ operation: 'echo', items: [{ waitMs: 60_000 }] }),
    })
    const { streamUrl } = z.object({ streamUrl: z.string() }).parse(await created.json())
    const source = new EventSource(proxy.url + streamUrl)
    const failures: { code: number | undefined; state: number }[] = []
    const given = new Promise<void>((resolve) => {
      source.addEventListener('error', ({ code }) => {
        failures.push({ code, state: source.readyState })
        if (source.readyState === EventSource.CLOSED) resolve()
      })
    })
    await new Promise((resolve) => source.addEventListener('batch_started', resolve))
    await server.end('SIGTERM')
    await given
    // The end of the stream first, of which it comes back by itself; then the proxy's word that nobody is there, of which it does not.
    expect(failures).toEqual([
      { code: undefined, state: EventSource.CONNECTING },
      { code: 502, state: EventSource.CLOSED },
    ])
  })
})
