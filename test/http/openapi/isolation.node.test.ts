/**
 * Two owners, each with a full set of rows. Whatever one asks for of the other's is answered like what never was: the same status, headers
 * and body, after the same number of statements, so that neither text nor time tells that it exists.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { until } from '../../support/until.ts'
import { openWholeApp } from '../../support/whole-app.ts'
import { Contract, type Operation, read } from './contract.ts'
import { type Send, World } from './world.ts'

const contract = new Contract(await loadOpenApiDocument({}))

let app: Awaited<ReturnType<typeof openWholeApp>>
let alice: Send
let bob: Send
let hers: World
beforeAll(async () => {
  app = await openWholeApp()
  alice = await app.as('alice')
  bob = await app.as('bob')
  hers = new World(alice)
  // So that no answer of Bob's differs because he is new.
  const his = new World(bob)
  await Promise.all([
    his.ended(),
    his.delivery(),
    his.row('activities'),
    his.row('coaching'),
    his.chunk(),
    his.imported(),
    his.embeddings(),
  ])
})
afterAll(() => app.close())

/** An id of the same form that nothing has. */
function neverWas(id: string): string {
  const uuid = crypto.randomUUID()
  if (/^[a-z0-9]{8}$/.test(id)) return uuid.slice(0, 8)
  return id.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, (old) => `${old.slice(0, 14)}${uuid.slice(14)}`)
}

/** Headers that differ from call to call, whatever is asked for; what is left of a limit goes down with each. */
const OF_EACH_CALL = new Set(['date', 'x-request-id', 'etag', 'ratelimit', 'x-ratelimit-remaining'])

/** The answer to an owner who asks for what there is; where there is a WebSocket, a plain call is told so. */
const isFound = ({ operationId }: Operation, status: number) =>
  operationId === 'followProcessing' ? status === 426 : status < 300

/** All of an answer that may tell something, the id that was asked for taken out, and how many statements it took. */
async function seen(send: Send, method: string, path: string, id: string, body?: unknown) {
  const before = app.statements()
  const { status, headers, text } = await read(await send(method, path, body))
  const own = [headers.get('X-Request-Id') ?? '-']
  const masked = (value: string) => [id, ...own].reduce((rest, one) => rest.replaceAll(one, '~'), value)
  const told = [...headers].filter(([name]) => !OF_EACH_CALL.has(name))
  return {
    status,
    headers: told.map(([name, value]) => `${name}: ${masked(value)}`),
    text: masked(text).replace(/"(processed_at|generated_at)":"[^"]+"/g, ''),
    statements: app.statements() - before,
  }
}

/** Paths that name something of an owner's; public pages are for everybody, and a PUT names what is the caller's own from then on. */
const naming = contract.operations.filter(
  ({ path, isPublic, method }) => path.includes('{') && !isPublic && method !== 'PUT',
)

describe("another owner's", () => {
  it.each(naming.map((one) => [`${one.method} ${one.path}`, one] as const))('%s', async (_, operation) => {
    const { method, path, operationId, requestBody } = operation
    const id = await hers.idFor(operationId)
    const none = neverWas(id)
    expect(none).not.toBe(id)
    const body = requestBody === undefined ? undefined : '{}\n'
    const [type] = Object.keys(requestBody?.content ?? {})
    const headers = type === undefined ? {} : { 'Content-Type': type }
    const send: Send = (how, at, what) => bob(how, at, what, headers)
    const other = await seen(send, method, path.replace(/\{\w+\}/, id), id, body)
    const nothing = await seen(send, method, path.replace(/\{\w+\}/, none), none, body)
    expect(other.status).toBe(404)
    expect(other).toEqual(nothing)
    // Nothing was done to it: its owner finds it as it was.
    expect(isFound(operation, (await alice(method, path.replace(/\{\w+\}/, id), body, headers)).status)).toBe(true)
  })

  it('batch, by the name that its owner gave it', async () => {
    await hers.ended({ 'Idempotency-Key': 'my-night-run' })
    expect((await alice('GET', '/api/batch/my-night-run')).status).toBe(200)
    const other = await seen(bob, 'GET', '/api/batch/my-night-run', 'my-night-run')
    expect(other).toEqual(await seen(bob, 'GET', '/api/batch/my-night-walk', 'my-night-walk'))
    expect(other.status).toBe(404)
  })

  it('deliveries, asked for by batch', async () => {
    const id = await hers.ended()
    const none = neverWas(id)
    const other = await seen(bob, 'GET', `/api/webhooks/deliveries?batchId=${id}`, id)
    expect(other).toEqual(await seen(bob, 'GET', `/api/webhooks/deliveries?batchId=${none}`, none))
    expect(other.status).toBe(404)
  })
})

describe('in a batch of ids', () => {
  const types = {
    activities: () => hers.row('activities'),
    participations: () => hers.row('participations'),
    coaching: () => hers.row('coaching'),
    chunks: () => hers.chunk(),
    batches: () => hers.ended(),
    cards: async () => (await hers.published()).id,
  }

  it.each(Object.entries(types))("another's %s is one that never was", async (resource_type, make) => {
    const id = await make()
    const none = neverWas(id)
    const ask = (one: string) => seen(bob, 'POST', '/api/v1/batch/get', one, { resource_type, ids: [one] })
    const other = await ask(id)
    expect(other).toEqual(await ask(none))
    expect(other.text).toMatch(/"status_code":404/)
    const own = await read(await alice('POST', '/api/v1/batch/get', { resource_type, ids: [id] }))
    expect(own.text).toMatch(/"status_code":200/)
  })

  it.each(['activities', 'coaching'] as const)("another's %s are neither changed nor deleted", async (type) => {
    const id = await hers.row(type)
    const none = neverWas(id)
    const data = type === 'activities' ? { name: 'Bob was here' } : { text: 'Bob was here' }
    const update = (one: string) =>
      seen(bob, 'POST', '/api/v1/batch/update', one, { resource_type: type, items: [{ id: one, data }] })
    const remove = (one: string) => seen(bob, 'POST', '/api/v1/batch/delete', one, { resource_type: type, ids: [one] })
    for (const write of [update, remove]) {
      const other = await write(id)
      expect(other).toEqual(await write(none))
      expect(other.text).toMatch(/"status_code":404/)
    }
    const row = await read(await alice('GET', `/api/v1/${type}/${id}`))
    expect([row.status, row.text.includes('Bob')]).toEqual([200, false])
  })

  it("another's chunk is an error like any other, and is not replaced by one of the same name", async () => {
    const id = await hers.chunk()
    const none = neverWas(id)
    const ask = (one: string) => seen(bob, 'POST', '/api/chunks/bulk', one, { chunk_references: [one] })
    expect(await ask(id)).toEqual(await ask(none))
    await bob('POST', '/api/chunks', { chunks: [{ id, text: 'of Bob' }] })
    expect((await read(await alice('GET', `/api/chunks/${id}`))).text).toContain('What was said')
  })

  it("another's participations count in nobody else's recommendations and analytics", async () => {
    const ask = (child: string) =>
      seen(bob, 'POST', '/api/v1/batch/activities/recommendations', child, { child_ids: [child] })
    await hers.row('participations')
    expect(await ask('child-1')).toEqual(await ask('child-8'))
    const count = (child: string) =>
      seen(bob, 'POST', '/api/v1/batch/get', child, { resource_type: 'analytics', ids: [`child:${child}`] })
    expect(await count('child-1')).toEqual(await count('child-8'))
  })

  it("an id of another's can be taken for a row of one's own", async () => {
    const id = await hers.row('activities')
    const made = await bob('POST', '/api/v1/activities', { activities: [{ id, name: 'Mine', activity_type: 'motor' }] })
    expect(made.status).toBe(201)
    const missing = await read(
      await bob('POST', '/api/v1/participations', {
        participations: [{ child_id: 'c', activity_id: await hers.row('activities') }],
      }),
    )
    expect([missing.status, missing.text.includes('not found')]).toEqual([422, true])
  })

  it.each([
    ['delete', "another's card is not deleted"],
    ['restore', "another's card is not restored"],
    ['export', "another's card is not exported"],
  ])('%s: %s', async (verb) => {
    const { id, slug } = await hers.published()
    const none = neverWas(id)
    const outcome = async (card: string) => {
      const { task_id } = z
        .object({ task_id: z.string() })
        .parse(await (await bob('POST', `/bulk/${verb}`, { card_ids: [card] })).json())
      const text = await until(async () => {
        const status = await read(await bob('GET', `/bulk/status/${task_id}`))
        return /"completed_at"/.test(status.text) ? status.text : null
      })
      const { result } = z
        .object({ result: z.record(z.string(), z.unknown()) })
        .parse(JSON.parse(text.replaceAll(card, '~').replaceAll(task_id, '~')))
      const { duration_seconds: _, download_url: __, download_expires_at: ___, ...rest } = result
      return rest
    }
    const other = await outcome(id)
    expect(other).toEqual(await outcome(none))
    expect(other).toMatchObject({
      cards_failed: 1,
      errors: [{ card_id: '~', error: 'Card not found or access denied' }],
    })
    expect((await alice('GET', `/cards/${slug}`)).status).toBe(200)
  })
})

describe('what is told', () => {
  it("by lists is the caller's own", async () => {
    const ids = await Promise.all([
      hers.ended(),
      hers.delivery(),
      hers.row('activities'),
      hers.row('participations'),
      hers.row('coaching'),
      hers.chunk(),
      hers.imported(),
    ])
    const lists = [
      '/api/batch',
      '/api/webhooks/deliveries',
      '/api/v1/activities',
      '/api/v1/participations',
      '/api/v1/coaching',
      '/api/chunks',
      '/bulk/tokens',
    ]
    const pages = async (send: Send) =>
      (await Promise.all(lists.map(async (path) => (await read(await send('GET', `${path}?limit=1000`))).text))).join(
        '\n',
      )
    const [own, others] = [await pages(alice), await pages(bob)]
    for (const id of ids) expect([id, own.includes(id), others.includes(id)]).toEqual([id, true, false])
  })

  it("by the stream of all batches is the caller's own", async () => {
    const response = await bob('GET', '/api/batch/stream')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let told = ''
    const hersId = await hers.ended()
    const hisId = await new World(bob).ended()
    while (!(told.includes(hisId) && /event: ?batch_completed/.test(told))) told += (await reader?.read())?.value ?? ''
    await reader?.cancel()
    expect([told.includes(hisId), told.includes(hersId)]).toEqual([true, false])
  })

  it("by a signed link is one owner's one batch, or file", async () => {
    const hersId = await hers.ended()
    const hisId = await new World(bob).ended()
    const link = z
      .object({ streamUrl: z.string() })
      .parse(await (await alice('POST', `/api/batch/${hersId}/stream-token`)).json()).streamUrl
    const token = new URL(link, app.url).searchParams.get('token') ?? ''
    const bare = async (path: string) => (await read(await fetch(new URL(`${path}?token=${token}`, app.url)))).status
    expect(await bare(`/api/batch/${hersId}/stream`)).toBe(200)
    for (const path of [
      `/api/batch/${hisId}/stream`,
      `/api/batch/${hisId}`,
      '/api/batch',
      '/api/batch/stream',
      `/exports/${hersId}`,
      '/bulk/tokens',
    ]) {
      expect([path, await bare(path)]).toEqual([path, 401])
    }
    expect(
      (await fetch(new URL(`/api/batch/${hersId}/cancel?token=${token}`, app.url), { method: 'POST' })).status,
    ).toBe(401)
  })
})

describe('a signed link', () => {
  const reads = contract.operations.filter(({ method, isPublic }) => method === 'GET' && !isPublic)
  const Link = z.object({ streamUrl: z.string() })
  const Exported = z.object({ result: z.object({ download_url: z.string() }) })
  const tokenOf = (url: string) => new URL(url, app.url).searchParams.get('token') ?? ''

  /** An id for a path, and the token of the link that opens what has it. */
  async function linkTo(path: string): Promise<{ id: string; token: string }> {
    if (path.includes('/ws/')) {
      const id = `job-${crypto.randomUUID()}`
      return { id, token: tokenOf(await hers.process(id)) }
    }
    if (path.startsWith('/exports/')) {
      const id = await hers.exported()
      const task = await (await alice('GET', `/bulk/status/${id}`)).json()
      return { id, token: tokenOf(Exported.parse(task).result.download_url) }
    }
    const id = await (/\.ics$|\/changes$/.test(path) ? hers.extracted() : hers.ended())
    const stream = path === '/api/batch/stream' ? '/api/batch/stream-token' : `/api/batch/${id}/stream-token`
    return { id, token: tokenOf(Link.parse(await (await alice('POST', stream)).json()).streamUrl) }
  }

  it.each(reads.map((one) => [`${one.method} ${one.path}`, one] as const))(
    'opens %s only where the document says so',
    async (_, operation) => {
      const { path, security } = operation
      const { id, token } = await linkTo(path)
      const answer = await fetch(new URL(`${path.replace(/\{\w+\}/, id)}?token=${token}`, app.url))
      await answer.body?.cancel()
      const isOpen = security.some((way) => 'link' in way)
      expect([answer.status, isOpen ? isFound(operation, answer.status) : answer.status === 401]).toEqual([
        answer.status,
        true,
      ])
    },
  )
})

it('an Idempotency-Key of one owner means nothing to the other', async () => {
  const Made = z.looseObject({ batchId: z.string().optional(), task_id: z.string().optional() })
  const creates: [string, unknown, unknown][] = [
    ['/api/batch', { operation: 'echo', items: [{ value: 1 }] }, { operation: 'echo', items: [{ value: 2 }] }],
    ['/bulk/export', { format: 'csv' }, { format: 'json' }],
    ['/bulk/delete', { card_ids: ['a'] }, { card_ids: ['b'] }],
  ]
  for (const [path, one, another] of creates) {
    const headers = { 'Idempotency-Key': `the-same-name${path.replaceAll('/', '.')}` }
    const ids = await Promise.all(
      [alice('POST', path, one, headers), bob('POST', path, another, headers)].map(async (answer) => {
        const { batchId, task_id } = Made.parse(await (await answer).json())
        return batchId ?? task_id
      }),
    )
    expect(new Set(ids).size).toBe(2)
    expect(ids).not.toContain(undefined)
  }
})
