/** Workers over HTTP: operations that are declared, claims, leases, outcomes. */
import { sign } from 'hono/jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Follower } from '../../support/follow.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { HttpWorker, held } from './http-worker.ts'

const JWT_SECRET = 'a secret that is long enough for HS256'
const CONFIGURED = [
  { name: 'shared.hash', item: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } },
]
let server: TestServer
const tokens = new Map<string, string>()
const owner = (sub: string, scope = '*') =>
  new HttpWorker(
    () => server,
    () => tokens.get(`${sub} ${scope}`) ?? null,
  )
const CALLERS = [
  ['alice', '*'],
  ['bob', '*'],
  ['bob', 'work:resize'],
  ['operator', 'work-all:shared.hash'],
] as const

beforeAll(async () => {
  server = await startServer({ env: { JWT_SECRET, MILLRACE_AUTH: 'keys', OPERATIONS: JSON.stringify(CONFIGURED) } })
  for (const [sub, scope] of CALLERS) {
    tokens.set(`${sub} ${scope}`, await sign({ sub, scope, exp: 9_999_999_999 }, JWT_SECRET, 'HS256'))
  }
})
afterAll(() => server[Symbol.asyncDispose]())

const alice = owner('alice')
const bob = owner('bob')

const RESIZE = {
  item: {
    type: 'object',
    properties: { url: { type: 'string', minLength: 1 }, width: { type: 'integer', minimum: 1 } },
    required: ['url'],
    additionalProperties: false,
  },
  result: { type: 'object', properties: { bytes: { type: 'integer' } }, required: ['bytes'] },
  backoff: { firstSeconds: 0 },
}
const Refusal = z.object({ error: z.string(), message: z.string(), field: z.string().optional() })
const refusal = async (answer: Promise<Response>) => {
  const response = await answer
  return { status: response.status, ...Refusal.parse(await response.json()) }
}
const State = z.object({ batch: z.looseObject({ status: z.string(), completedJobs: z.int(), failedJobs: z.int() }) })
const stateOf = async (worker: HttpWorker, id: string) => State.parse(await worker.read(`/api/batch/${id}`)).batch
const Results = z.object({
  succeeded: z.array(z.looseObject({ index: z.int(), result: z.unknown() })).default([]),
  failed: z.array(z.looseObject({ errorMessage: z.string() })).default([]),
})
const resultsOf = async (worker: HttpWorker, id: string) => Results.parse(await worker.read(`/api/batch/${id}/results`))

describe('an operation', () => {
  it('have typed bodies in the OpenAPI document of their owner alone, those of the configuration in everyone’s', async () => {
    const size = { type: 'integer', minimum: 1 }
    const input = { properties: { width: { $ref: '#/$defs/size' } }, $defs: { size } }
    await alice.declare('typed', { ...RESIZE, input })
    const Document = z.object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    const schemasAt = async (worker: HttpWorker, path: string) =>
      Document.parse(await worker.read(path)).components.schemas
    const own = await schemasAt(alice, '/api/operations/openapi.json')
    expect(own['CreateBatch.typed']).toMatchObject({
      properties: {
        operation: { const: 'typed' },
        items: { items: { $ref: '#/components/schemas/Item.typed' } },
        input: { $ref: '#/components/schemas/Input.typed' },
      },
    })
    expect(own['Item.typed']).toEqual(RESIZE.item)
    expect(own['Input.typed']).toMatchObject({
      properties: { width: { $ref: '#/components/schemas/Input.typed/$defs/size' } },
    })
    for (const path of ['/api/operations/openapi.json', '/openapi.json']) {
      const schemas = await schemasAt(bob, path)
      expect(schemas).not.toHaveProperty(['CreateBatch.typed'])
      expect(schemas['Item.shared.hash']).toEqual(CONFIGURED[0]?.item)
    }
    // The path is the document's alone.
    expect((await alice.send('PUT', '/api/operations/openapi.json', {})).status).toBe(405)
  })

  it('is declared, changed, listed and taken back by its owner alone', async () => {
    await alice.declare('mine', { description: 'First.' })
    expect(await alice.declare('mine', { maxAttempts: 5 })).toMatchObject({
      name: 'mine',
      definition: { maxAttempts: 5 },
      declaredBy: 'you',
      working: false,
    })
    const listed = z.object({ operations: z.array(z.looseObject({ name: z.string() })) })
    const names = async (worker: HttpWorker) =>
      listed.parse(await worker.read('/api/operations')).operations.map(({ name }) => name)
    expect(await names(alice)).toContain('mine')
    expect(await names(bob)).toEqual(['shared.hash'])
    expect((await bob.send('GET', '/api/operations/mine')).status).toBe(404)
    expect((await bob.send('DELETE', '/api/operations/mine')).status).toBe(404)
    const { batchId } = await alice.create('mine', [1])
    expect((await alice.send('DELETE', '/api/operations/mine')).status).toBe(409)
    await alice.send('POST', `/api/batch/${batchId}/cancel`)
    expect((await alice.send('DELETE', '/api/operations/mine')).status).toBe(200)
    expect((await alice.send('DELETE', '/api/operations/mine')).status).toBe(404)
    expect((await alice.send('PUT', '/api/operations/echo', {})).status).toBe(409)
    expect((await alice.send('DELETE', '/api/operations/shared.hash')).status).toBe(409)
  })

  it.each([
    [{ maxAtempts: 3 }, 'maxAtempts', /Did you mean "maxAttempts"/],
    [{ item: { type: 'objekt' } }, 'item.type', /object, array/],
    [{ item: { properties: { a: { minimun: 1 } } } }, 'item.properties.a.minimun', /Did you mean "minimum"/],
    [{ item: { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } } }, 'item.$ref.$ref', /no circle/],
    [{ result: { pattern: '^(a+)+$' } }, 'result.pattern', /repeats no group/],
    [{ result: 3 }, 'result', /JSON Schema/],
  ])('is refused for %j, with its field', async (declaration, field, message) => {
    const answer = await refusal(alice.send('PUT', '/api/operations/wrong', declaration))
    expect(answer).toMatchObject({ status: 400, field })
    expect(answer.message).toMatch(message)
  })

  it('checks items when a batch is made, and names those there are to one who asks for another', async () => {
    await alice.declare('resize', RESIZE)
    const make = (operation: string, item: unknown) =>
      refusal(alice.send('POST', '/api/batch', { operation, items: [{ url: 'a' }, item] }))
    expect(await make('resize', { url: 'b', width: 'wide' })).toMatchObject({
      status: 400,
      field: 'items.1.width',
      message: 'items.1.width: Expected integer, not string.',
    })
    expect(await make('resize', {})).toMatchObject({ field: 'items.1.url' })
    expect(await make('resize', { url: 'b', colour: 1 })).toMatchObject({ field: 'items.1.colour' })
    const unknown = await make('resise', {})
    expect(unknown).toMatchObject({ status: 400, field: 'operation' })
    expect(unknown.message).toMatch(/echo.*shared\.hash.*resize/)
    expect((await refusal(bob.send('POST', '/api/batch', { operation: 'resize', items: [{}] }))).field).toBe(
      'operation',
    )
  })

  it('of the configuration has a typed body in the OpenAPI document', async () => {
    const document = z.object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    const { components } = document.parse(await alice.read('/openapi.json'))
    expect(components.schemas['CreateBatch.shared.hash']).toMatchObject({
      properties: { items: { items: { $ref: '#/components/schemas/Item.shared.hash' } } },
    })
    expect(components.schemas['Item.shared.hash']).toEqual(CONFIGURED[0]?.item)
  })

  it('that nobody works on says so to whoever makes a batch, until somebody does', async () => {
    await alice.declare('lonely')
    const made = await alice.create('lonely', [1])
    expect(made.notice).toMatch(/No worker has asked for jobs of "lonely"/)
    await alice.claim('lonely')
    expect((await alice.create('lonely', [2])).notice).toBeUndefined()
    expect(await alice.read('/api/operations/lonely')).toMatchObject({ operation: { working: true } })
  })
})

describe('a worker', () => {
  it('claims jobs, tells progress to those who follow, and hands in results', async () => {
    await alice.declare('resize', RESIZE)
    const items = Array.from({ length: 60 }, (_, n) => ({ id: `image-${n}`, url: `u${n}` }))
    const { batchId, streamUrl } = await alice.create('resize', items, { input: { quality: 3 } })
    const jobs = await alice.claimAll('resize', 60)
    expect(jobs.map(({ index }) => index)).toEqual(items.map((_, n) => n))
    expect(jobs[7]).toMatchObject({
      operation: 'resize',
      batchId,
      itemId: 'image-7',
      item: { url: 'u7' },
      input: { quality: 3 },
      attempt: 1,
      maxAttempts: 3,
      checkpoint: null,
    })
    const follower = new Follower(`${server.url}${streamUrl}`)
    await follower.until(({ event }) => event === 'batch_started')
    const [first] = jobs
    if (first === undefined) throw new Error('There is no job.')
    await alice.beat([{ ...held(first), progress: { percent: 40, message: 'Half way' } }])
    const told = await follower.until(({ event, data }) => event === 'job_progress' && data.progressPercent === 40)
    expect(told.data).toMatchObject({ jobId: first.id, progressPercent: 40, progressMessage: 'Half way' })
    const answer = await alice.complete(
      jobs.map((job) => ({ ...held(job), result: { bytes: job.index }, tallies: { bytes: job.index } })),
    )
    expect([answer.status, answer.success]).toEqual([200, true])
    const ended = await follower.until(({ event }) => event === 'batch_completed')
    expect(ended.data).toMatchObject({ status: 'completed', tallies: { bytes: (59 * 60) / 2 } })
    follower.close()
    expect((await resultsOf(alice, batchId)).succeeded.map(({ result }) => result)).toEqual(
      items.map((_, n) => ({ bytes: n })),
    )
  })

  it('waits for the first job', async () => {
    await alice.declare('later')
    const waiting = alice.claim('later', { wait: 20 })
    await alice.create('later', ['x'])
    expect(await waiting).toMatchObject([{ item: 'x' }])
    expect(await alice.claim('later', { wait: 0.1 })).toEqual([])
  })

  it('claims the next jobs with what it hands in, also where none of that is taken', async () => {
    await alice.declare('chain')
    const { batchId } = await alice.create('chain', ['a', 'b', 'c'])
    const [first] = await alice.claimAll('chain', 1, { max: 1 })
    if (first === undefined) throw new Error('No job was claimed.')
    const claim = { operations: ['chain'], max: 1, leaseSeconds: 60 }
    const done = await alice.complete([{ ...held(first), result: 1 }], { claim })
    expect(done).toMatchObject({ status: 200, success: true, claimed: [{ item: 'b', batchId, attempt: 1 }] })
    const late = await alice.complete([{ ...held(first), result: 2 }], { claim })
    expect(late).toMatchObject({ status: 200, success: false, jobs: [{ status: 409 }], claimed: [{ item: 'c' }] })
    const rest = [...(done.claimed ?? []), ...(late.claimed ?? [])].map((job) => ({ ...held(job), result: 3 }))
    expect(await alice.complete(rest, { claim })).toMatchObject({ status: 200, claimed: [] })
    expect(await alice.complete(rest, { claim })).toMatchObject({ status: 409, claimed: [] })
    expect(await stateOf(alice, batchId)).toMatchObject({ status: 'completed', completedJobs: 3 })
  })

  it('has nothing written where what it claims besides is wrong', async () => {
    await alice.declare('chain')
    const { batchId } = await alice.create('chain', ['a'])
    const [job] = await alice.claimAll('chain', 1)
    if (job === undefined) throw new Error('No job was claimed.')
    const jobs = [{ ...held(job), result: 1 }]
    const handIn = (claim: object) => refusal(alice.send('POST', '/api/workers/complete', { jobs, claim }))
    expect(await handIn({ operations: ['nothing'] })).toMatchObject({ status: 400, field: 'operations.0' })
    expect(await handIn({ operations: ['chain'], max: 0 })).toMatchObject({ status: 400, field: 'claim.max' })
    expect(await stateOf(alice, batchId)).toMatchObject({ completedJobs: 0 })
    expect(await alice.complete(jobs)).toMatchObject({ status: 200 })
  })

  it("sees the jobs of its own owner, and everyone's with a key that says so", async () => {
    await Promise.all([alice.create('shared.hash', [{ text: 'a' }]), bob.create('shared.hash', [{ text: 'b' }])])
    expect(await bob.claimAll('shared.hash', 1)).toMatchObject([{ owner: 'bob' }])
    expect(await bob.claim('shared.hash')).toEqual([])
    const operator = owner('operator', 'work-all:shared.hash')
    const [job] = await operator.claimAll('shared.hash', 1)
    if (job === undefined) throw new Error('There is no job.')
    expect(job.owner).toBe('alice')
    // Another's worker knows its lease, and still it is as if lost.
    expect(await bob.complete([{ ...held(job), result: 1 }])).toMatchObject({ status: 409 })
    expect(await operator.complete([{ ...held(job), result: 1 }])).toMatchObject({ status: 200 })
  })

  it('needs the scope of what it works on, and an operation that is declared', async () => {
    const narrow = owner('bob', 'work:resize')
    expect(await refusal(narrow.send('POST', '/api/workers/claim', { operations: ['other'] }))).toMatchObject({
      status: 403,
    })
    expect((await narrow.send('GET', '/api/operations')).status).toBe(403)
    const unknown = await refusal(narrow.send('POST', '/api/workers/claim', { operations: ['resize'] }))
    expect(unknown).toMatchObject({ status: 400, field: 'operations.0' })
    expect(unknown.message).toContain('PUT /api/operations/resize')
    expect((await owner('operator', 'work-all:shared.hash').send('POST', '/api/batch', {})).status).toBe(403)
  })

  it('is refused a result that is not as declared, with job and field, and keeps the job', async () => {
    await alice.declare('strict', RESIZE)
    const { batchId } = await alice.create('strict', [{ url: 'a' }, { url: 'b' }])
    const [a, b] = await alice.claimAll('strict', 2)
    if (a === undefined || b === undefined) throw new Error('There are no jobs.')
    const mixed = await alice.complete([
      { ...held(a), result: { bytes: 1 } },
      { ...held(b), result: { bytes: 'many' } },
    ])
    expect(mixed).toMatchObject({
      status: 200,
      success: false,
      jobs: [{ status: 200 }, { status: 422, field: 'jobs.1.result.bytes' }],
    })
    expect(await alice.complete([{ ...held(b), result: {} }])).toMatchObject({ status: 422 })
    expect(await stateOf(alice, batchId)).toMatchObject({ completedJobs: 1, status: 'processing' })
    expect(await alice.complete([{ ...held(b), result: { bytes: 2 } }])).toMatchObject({ status: 200 })
    expect(await stateOf(alice, batchId)).toMatchObject({ completedJobs: 2, status: 'completed' })
  })

  it('has what it failed with tried again, at its time, or not', async () => {
    await alice.declare('flaky', { maxAttempts: 2, backoff: { firstSeconds: 0 } })
    const { batchId } = await alice.create('flaky', ['again', 'never', 'later'])
    const jobs = await alice.claimAll('flaky', 3)
    const errors = {
      again: { message: 'Broke.' },
      never: { message: 'No good.', retryable: false },
      later: { message: 'Busy.', retryAfterSeconds: 3_600 },
    }
    const ErrorOf = z.enum(['again', 'never', 'later'])
    const errorOf = (item: unknown) => errors[ErrorOf.parse(item)]
    await alice.complete(jobs.map((job) => ({ ...held(job), error: errorOf(job.item) })))
    const [again] = await alice.claimAll('flaky', 1)
    if (again === undefined) throw new Error('There is no job.')
    expect(again).toMatchObject({ item: 'again', attempt: 2 })
    expect(await alice.claim('flaky')).toEqual([])
    await alice.complete([{ ...held(again), error: errors.again }])
    expect((await resultsOf(alice, batchId)).failed.map(({ errorMessage }) => errorMessage)).toEqual([
      'Broke.',
      'No good.',
    ])
    await alice.send('POST', `/api/batch/${batchId}/cancel`)
  })

  it('goes on in a fresh run from its checkpoint, which is no attempt', async () => {
    await alice.declare('long')
    await alice.create('long', ['x'])
    const [first] = await alice.claimAll('long', 1)
    if (first === undefined) throw new Error('There is no job.')
    expect(await alice.beat([{ ...held(first), checkpoint: { page: 1 } }])).toMatchObject({ held: [first.id] })
    expect(await alice.complete([{ ...held(first), release: true }])).toMatchObject({ status: 200 })
    const [second] = await alice.claimAll('long', 1)
    if (second === undefined) throw new Error('There is no job.')
    expect(second).toMatchObject({ checkpoint: { page: 1 }, attempt: 1 })
    await alice.complete([{ ...held(second), continue: true, checkpoint: { page: 2 } }])
    const [third] = await alice.claimAll('long', 1)
    expect(third).toMatchObject({ checkpoint: { page: 2 }, attempt: 1 })
  })

  it('is told in its heartbeat of jobs that were cancelled, and nothing more is taken of them', async () => {
    await alice.declare('stopped')
    const { batchId } = await alice.create('stopped', [1, 2])
    const [one] = await alice.claimAll('stopped', 2)
    if (one === undefined) throw new Error('There is no job.')
    await alice.send('POST', `/api/batch/${batchId}/cancel`)
    expect(await alice.beat([held(one)])).toEqual({
      success: true,
      held: [],
      cancelled: [{ id: one.id, reason: 'CANCELLED' }],
      lost: [],
    })
    const late = await alice.complete([{ ...held(one), result: 1 }])
    expect(late).toMatchObject({ status: 409, success: false, jobs: [{ id: one.id, status: 409 }] })
    expect(await alice.beat([held(one), { id: 'x', lease: 'y' }])).toMatchObject({ lost: [one.id, 'x'] })
    expect((await resultsOf(alice, batchId)).succeeded).toEqual([])
  })

  it('keeps a batch to its bound, serves priorities first, and lets a paused one rest', async () => {
    await alice.declare('bounded', { concurrency: 1 })
    await alice.create('bounded', [1, 2])
    const [first] = await alice.claimAll('bounded', 1)
    if (first === undefined) throw new Error('There is no job.')
    expect(await alice.claim('bounded')).toEqual([])
    await alice.complete([{ ...held(first), result: null }])
    expect(await alice.claimAll('bounded', 1)).toMatchObject([{ item: 2 }])
    await alice.declare('ranked')
    const { batchId } = await alice.create('ranked', [1, 2])
    await alice.create('ranked', ['urgent'], { options: { priority: 10 } })
    expect(await alice.claimAll('ranked', 1, { max: 1 })).toMatchObject([{ item: 'urgent' }])
    await alice.send('POST', `/api/batch/${batchId}/pause`)
    expect(await alice.claim('ranked')).toEqual([])
    await alice.send('POST', `/api/batch/${batchId}/resume`)
    expect(await alice.claimAll('ranked', 2)).toMatchObject([{ item: 1 }, { item: 2 }])
  })

  it.each([
    ['claim', { operations: [] }, 'operations'],
    ['claim', { operations: ['a b'] }, 'operations.0'],
    ['claim', { operations: ['resize'], leaseSecond: 3 }, 'leaseSecond'],
    ['claim', { operations: ['resize'], max: 201 }, 'max'],
    ['heartbeat', { jobs: [{ id: 'a' }] }, 'jobs.0.lease'],
    ['complete', { jobs: [{ id: 'a', lease: 'b' }] }, 'jobs.0'],
    ['complete', { jobs: [{ id: 'a', lease: 'b', result: 1, error: { message: 'x' } }] }, 'jobs.0'],
    ['complete', { jobs: [{ id: 'a', lease: 'b', error: { message: '' } }] }, 'jobs.0.error.message'],
  ])('is told the field of a %s that is wrong: %j', async (call, body, field) => {
    expect(await refusal(alice.send('POST', `/api/workers/${call}`, body))).toMatchObject({ status: 400, field })
  })
})
