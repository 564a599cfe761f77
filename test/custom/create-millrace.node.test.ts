import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../src/client/index.ts'
import { defineOperation } from '../../src/custom/define-operation.ts'
import { createMillrace, type Millrace } from '../../src/node-embed.ts'
import { listen } from '../client/proxy.ts'

const double = defineOperation({
  name: 'double',
  description: 'Doubles a number.',
  item: z.object({ n: z.number(), waitMs: z.number().default(0) }),
  result: z.object({ twice: z.number() }),
  async run({ n, waitMs }, ctx) {
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    ctx.progress(50, 'Half')
    ctx.emit(n)
    return { twice: 2 * n }
  },
})

let folder: string
let millrace: Millrace
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-embedded-'))
  millrace = await createMillrace({ operations: [double], dataDir: folder })
})
afterAll(async () => {
  await millrace.close()
  await rm(folder, { recursive: true, force: true })
})

async function typesOf(batchId: string, after = 0): Promise<string[]> {
  const types: string[] = []
  for await (const { type } of millrace.follow(batchId, { lastEventId: after })) {
    if (type !== 'job_progress') types.push(type)
  }
  return types
}

describe('an embedded Millrace', () => {
  it('runs what a program submits, and tells it what becomes of it', async () => {
    const batch = await millrace.submit(double, [{ n: 1 }, { n: 2, waitMs: 20 }])
    expect(batch).toMatchObject({ totalJobs: 2, created: true })
    const results: number[] = []
    for await (const event of millrace.follow(batch)) {
      if (event.type === 'job_completed') {
        expectTypeOf(event.result).toEqualTypeOf<{ twice: number } | undefined>()
        results.push(event.result?.twice ?? 0)
      }
      if (event.type === 'batch_completed') expect(event).toMatchObject({ status: 'completed', tallies: { total: 3 } })
    }
    expect(results.sort()).toEqual([2, 4])
    // @ts-expect-error An item of the operation has a number.
    await expect(millrace.submit(double, [{ n: 'x' }])).rejects.toMatchObject({ details: { field: 'items.0.n' } })
  })

  it('goes on after the last event that a follower has', async () => {
    const { batchId } = await millrace.submit(double, [{ n: 1 }])
    expect(await typesOf(batchId)).toEqual(['batch_started', 'job_completed', 'batch_completed'])
    expect(await typesOf(batchId, 1)).toEqual(['job_completed', 'batch_completed'])
    expect(await typesOf(batchId, 3)).toEqual([])
    await expect(typesOf(batchId, 4)).rejects.toMatchObject({ details: { field: 'lastEventId' } })
    await expect(typesOf('nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('sends a follower that reads slowly every one of many events', async () => {
    const { batchId } = await millrace.submit(
      double,
      Array.from({ length: 2_000 }, (_, n) => ({ n })),
    )
    let completed = 0
    for await (const { type } of millrace.follow(batchId)) {
      if (type === 'job_completed') completed++
      if (completed % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(completed).toBe(2_000)
  })

  it('ends a follower by its signal', async () => {
    const { batchId } = await millrace.submit(double, [{ n: 1, waitMs: 300 }])
    const stop = new AbortController()
    const reading = (async () => {
      for await (const _ of millrace.follow(batchId, { signal: stop.signal })) stop.abort(new Error('enough'))
    })()
    await expect(reading).rejects.toThrow('enough')
  })

  it('makes a batch once under its key, and refuses a wrong option by name', async () => {
    const once = () => millrace.submit(double, [{ n: 5 }], { idempotencyKey: 'five' })
    const [first, second] = [await once(), await once()]
    expect(second).toEqual({ ...first, created: false })
    await expect(millrace.submit(double, [{ n: 5 }], { options: { maxAttempts: 21 } })).rejects.toMatchObject({
      details: { field: 'options.maxAttempts' },
    })
    await expect(millrace.submit('unknown', [])).rejects.toMatchObject({ details: { field: 'operation' } })
  })
})

describe('its app', () => {
  const host = new Hono()
  let url: string
  let server: ReturnType<typeof createServer>
  beforeAll(async () => {
    host.use(async (c, next) => {
      await next()
      c.header('X-Host-App', 'yes')
    })
    host.route('/', millrace.app)
    host.route('/below', millrace.app)
    host.get('/hello', (c) => c.text('hello'))
    host.post('/api/hello', (c) => c.text('posted'))
    server = createServer(getRequestListener(host.fetch))
    url = await listen(server)
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  it('is a part of another, whose own routes it leaves alone', async () => {
    expect(await (await fetch(`${url}/hello`)).text()).toBe('hello')
    expect(await (await fetch(`${url}/api/hello`, { method: 'POST' })).text()).toBe('posted')
    expect((await fetch(`${url}/nothing`)).status).toBe(404)
    const answer = await fetch(`${url}/healthz`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('X-Host-App')).toBe('yes')
  })

  it.each(['', '/below'])('is called and followed by the client below %j', async (base) => {
    const client = createClient({ baseUrl: `${url}${base}` })
    const batch = await client.create<typeof double>('double', [{ n: 4 }])
    const results: (number | undefined)[] = []
    for await (const event of client.follow(batch))
      if (event.type === 'job_completed') results.push(event.result?.twice)
    expect(results).toEqual([8])
    const page = await client.items(batch, { set: 'succeeded' })
    expect(page.items.map(({ item, result }) => [item.n, result?.twice])).toEqual([[4, 8]])
    const byValue = await client.create(double, [{ n: 5 }], { idempotencyKey: `five ${base.length}`.replace(' ', '-') })
    expect(await client.wait(byValue)).toMatchObject({ batch: { status: 'completed' } })
    // @ts-expect-error An item of the operation has a number.
    await expect(client.create(double, [{ n: 'x' }])).rejects.toMatchObject({ field: 'items.0.n' })
  })

  it('answers a program that calls it without a server', async () => {
    const answer = await host.request('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ operation: 'double', items: [{ n: 4 }, {}] }),
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: 'INVALID_REQUEST', field: 'items.1.n' })
  })

  it('lets nobody in from another machine without a key', async () => {
    const from = (remoteAddress: string) => ({ incoming: { socket: { remoteAddress } } })
    const ask = (binding: object) => host.request('http://localhost/api/batch', {}, binding)
    expect((await ask(from('127.0.0.1'))).status).toBe(200)
    expect((await ask(from('::ffff:127.0.0.1'))).status).toBe(200)
    expect((await ask(from('203.0.113.9'))).status).toBe(401)
    expect((await ask({ requestIP: () => null })).status).toBe(401)
    expect((await host.request('http://example.com/api/batch')).status).toBe(403)
  })

  it('tells a typed body and typed results of each operation in the OpenAPI document', async () => {
    const document = await (await fetch(`${url}/openapi.json`)).json()
    const { schemas } = document.components
    expect(schemas['CreateBatch.double']).toMatchObject({
      description: 'Doubles a number.',
      properties: {
        operation: { const: 'double' },
        items: { items: { properties: { n: { type: 'number' } }, required: ['n'] } },
      },
    })
    expect(schemas.CreateBatch.oneOf).toEqual([
      { $ref: '#/components/schemas/CreateBatch.http' },
      { $ref: '#/components/schemas/CreateBatch.double' },
      { $ref: '#/components/schemas/CreateBatch.any' },
    ])
    expect(schemas['CreateBatch.http'].properties.input).toEqual({ $ref: '#/components/schemas/HttpInput' })
    expect(schemas.HttpInput.properties.ratePerSecond).toMatchObject({ type: 'number', maximum: 10_000 })
    expect(schemas['ResultSets.double'].allOf[1].properties.succeeded.items.properties.result).toMatchObject({
      properties: { twice: { type: 'number' } },
    })
  })
})

describe('createMillrace', () => {
  it('refuses two operations of one name, and settings that are not understood', async () => {
    const dataDir = join(folder, 'other')
    await expect(createMillrace({ operations: [double, double], dataDir })).rejects.toThrow(/"double"/)
    const echo = defineOperation({ name: 'echo', item: z.object({}), run: () => null })
    await expect(createMillrace({ operations: [echo], dataDir })).rejects.toThrow(/"echo"/)
    await expect(createMillrace({ dataDir, concurrency: 0 })).rejects.toThrow(/CONCURRENCY/)
  })

  it('keeps what was submitted over a close', async () => {
    const dataDir = join(folder, 'kept')
    const first = await createMillrace({ operations: [double], dataDir })
    const { batchId } = await first.submit(double, [{ n: 1 }])
    await first.close()
    await using second = Object.assign(await createMillrace({ operations: [double], dataDir }), {
      [Symbol.asyncDispose]: () => second.close(),
    })
    const types: string[] = []
    for await (const { type } of second.follow(batchId)) types.push(type)
    expect(types.at(-1)).toBe('batch_completed')
  })

  it('wants a key where it is told to', async () => {
    const closed = await createMillrace({ dataDir: join(folder, 'keys'), auth: 'keys' })
    try {
      expect((await closed.app.request('/api/batch')).status).toBe(401)
    } finally {
      await closed.close()
    }
  })
})
