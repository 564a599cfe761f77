/** The batch-read surface over real HTTP, against a server process that wants keys. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Activity } from '../../../src/features/resources/activity-schemas.ts'
import { BatchResults, RecommendationResults } from '../../../src/features/resources/schemas.ts'
import { DetailBody } from '../../../src/http/response/error-bodies.ts'
import { ON_CLOUDFLARE } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { drawFirst, startWithCallers } from './callers.ts'

let all: Awaited<ReturnType<typeof startWithCallers>>
beforeAll(async () => {
  all = await startWithCallers()
})
afterAll(() => all.server[Symbol.asyncDispose]())

const Made = z.object({ activities: z.array(Activity) })
const Page = z.object({ activities: z.array(Activity), next_cursor: z.string().nullable() })
const GET = '/api/v1/batch/get'
const RECOMMEND = '/api/v1/batch/activities/recommendations'
const now = () => Math.floor(Date.now() / 1000)
const activities = (ids: unknown, more: object = {}) => ({ resource_type: 'activities', ids, ...more })

describe('POST /api/v1/batch/get', () => {
  it('answers every id in its place, doubles and absent ones included', async () => {
    const made = Made.parse(
      (
        await all.alice.post('/api/v1/activities', {
          activities: [
            { name: 'One', activity_type: 'motor' },
            {
              id: 'my.own:id_1',
              name: 'Two',
              activity_type: 'social',
              age_range: { min_months: 12, max_months: null },
            },
          ],
        })
      ).body,
    ).activities
    const ids = [
      made[0]?.id ?? '',
      'nope',
      'my.own:id_1',
      made[0]?.id ?? '',
      '',
      'x'.repeat(500),
      '__proto__',
      'constructor',
    ]
    const { status, body, headers } = await all.alice.post(GET, activities(ids))
    const { results, ...rest } = BatchResults.parse(body)
    expect([status, headers.get('Content-Type')]).toEqual([200, 'application/json'])
    expect(results.map(({ id }) => id)).toEqual(ids)
    expect(results.map((one) => one.status_code)).toEqual([200, 404, 200, 200, 404, 404, 404, 404])
    expect(results[0]).toEqual({ id: made[0]?.id, status: 'success', data: made[0], status_code: 200 })
    expect(results[1]).toEqual({
      id: 'nope',
      status: 'error',
      error: 'Activity with id nope not found',
      status_code: 404,
    })
    expect(results[3]).toEqual(results[0])
    expect(rest).toMatchObject({ resource_type: 'activities', total_requested: 8, total_succeeded: 3, total_failed: 5 })
  })

  it.each([
    ['name,difficulty', ['id', 'name', 'difficulty']],
    [' difficulty , nonsense,,__proto__, toString', ['id', 'difficulty']],
    ['nonsense', ['id']],
  ])('selects fields: %j', async (fields, names) => {
    const { body } = await all.alice.post(GET, activities(['shared-sock-pairs'], { fields }))
    const [result] = BatchResults.parse(body).results
    expect(result?.status === 'success' && Object.keys(result.data ?? {})).toEqual(names)
  })

  it.each([null, '', ' , '])('gives everything for fields %j', async (fields) => {
    const { body } = await all.alice.post(GET, activities(['shared-sock-pairs'], { fields }))
    const [result] = BatchResults.parse(body).results
    expect(result?.status === 'success' && Activity.parse(result.data).name).toBe('Sock Pairs')
  })

  it('takes a hundred ids, and refuses none', async () => {
    expect(await all.alice.post(GET, activities([]))).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ['body', 'ids'], type: 'too_short' }] },
    })
    const { body } = await all.alice.post(GET, activities(Array(100).fill('shared-sock-pairs')))
    expect(body).toMatchObject({ total_requested: 100, total_succeeded: 100 })
  })

  it('refuses a type there is not, naming those there are', async () => {
    const { status, body } = await all.alice.post(GET, { resource_type: '__proto__', ids: ['a'] })
    expect([status, body]).toEqual([
      400,
      {
        detail:
          'Unsupported resource type: __proto__. Supported types: activities, coaching, participations, analytics, batches, cards, chunks',
      },
    ])
  })

  it('answers a tag, and 304 to who has it', async () => {
    const { headers } = await all.alice.post(GET, activities(['shared-sock-pairs']))
    const etag = headers.get('ETag') ?? ''
    expect(etag).toMatch(/^W\/"[0-9a-f]{32}"$/)
    const again = await all.alice.post(GET, activities(['shared-sock-pairs']), { 'If-None-Match': etag })
    expect([again.status, again.body, again.headers.get('ETag')]).toEqual([304, '', etag])
    const other = await all.alice.post(GET, activities(['shared-sound-walk']), { 'If-None-Match': etag })
    expect(other.status).toBe(200)
  })
})

describe('other types', () => {
  const read = async (resource_type: string, ids: string[], by = all.alice) =>
    BatchResults.parse((await by.post(GET, { resource_type, ids })).body).results.map((one) =>
      one.status === 'success' ? one.data : one.error,
    )
  let batchId = ''
  beforeAll(async () => {
    const { alice } = all
    await alice.post('/api/v1/coaching', {
      notes: [{ id: 'n1', child_id: 'kim', author: 'Ms. A', text: 'Shares well' }],
    })
    await alice.post('/api/v1/participations', {
      participations: [
        { id: 'p1', child_id: 'kim', activity_id: 'shared-sock-pairs', participated_at: '2026-02-16T21:00:00+01:00' },
        { id: 'p2', child_id: 'kim', activity_id: 'shared-sock-pairs', participated_at: '2026-02-22T23:00:00Z' },
        { id: 'p3', child_id: 'lee', activity_id: 'shared-sock-pairs', participated_at: '2026-02-23T00:00:00Z' },
      ],
    })
    await alice.post('/api/chunks', { chunks: [{ id: 'k_read', text: 'T', page: 3 }] })
    const created = await alice.post('/api/batch', { operation: 'echo', items: [{ value: 1 }] })
    batchId = z.object({ batchId: z.string() }).parse(created.body).batchId
  })

  it('are read likewise: notes, participations, counts, chunks, batches', async () => {
    expect(await read('coaching', ['n1', 'n2'])).toEqual([
      expect.objectContaining({ id: 'n1', child_id: 'kim', author: 'Ms. A', text: 'Shares well' }),
      'Coaching note with id n2 not found',
    ])
    expect(await read('participations', ['p1'])).toEqual([
      expect.objectContaining({ id: 'p1', participated_at: '2026-02-16T20:00:00.000Z', notes: null }),
    ])
    expect(
      await read('analytics', [
        'child:kim',
        'activity:shared-sock-pairs',
        'week:2026-W08',
        'child:nobody',
        'year:2026',
      ]),
    ).toEqual([
      {
        id: 'child:kim',
        dimension: 'child',
        key: 'kim',
        participations: 2,
        weeks: [{ week: '2026-W08', participations: 2 }],
      },
      expect.objectContaining({
        participations: 3,
        weeks: [
          { week: '2026-W08', participations: 2 },
          { week: '2026-W09', participations: 1 },
        ],
      }),
      expect.objectContaining({ participations: 2 }),
      { id: 'child:nobody', dimension: 'child', key: 'nobody', participations: 0, weeks: [] },
      'Analytics with id year:2026 not found',
    ])
    expect(await read('chunks', ['k_read', 'k_none', 'q_1'])).toEqual([
      { id: 'k_read', text: 'T', page: 3, source_type: 'expert_interview' },
      'Chunk not found',
      'Invalid chunk ID format',
    ])
    expect(await read('batches', [batchId])).toEqual([
      expect.objectContaining({ id: batchId, operation: 'echo', total_jobs: 1 }),
    ])
  })

  it('that are weeks which there are not: 400, each by itself', async () => {
    const ids = ['week:2026-W53', 'week:2025-W53', 'week:2024-W00', 'week:2026-W54', 'week:2026-7', 'week:2026-W08']
    const answer = await all.alice.post('/api/v1/batch/get', { resource_type: 'analytics', ids })
    expect(answer.body).toMatchObject({
      results: [
        { status_code: 200, data: { participations: 0, weeks: [] } },
        { status_code: 400, error: 'There is no week 2025-W53. Expected one of ISO 8601, such as week:2026-W07.' },
        { status_code: 400 },
        { status_code: 400 },
        { status_code: 400 },
        { status_code: 200, data: { participations: 2 } },
      ],
    })
  })

  it('are not there for another owner', async () => {
    const { bob } = all
    expect(await read('coaching', ['n1'], bob)).toEqual(['Coaching note with id n1 not found'])
    expect(await read('batches', [batchId], bob)).toEqual([`Batch with id ${batchId} not found`])
    expect(await read('chunks', ['k_read'], bob)).toEqual(['Chunk not found'])
    expect(await read('analytics', ['child:kim'], bob)).toEqual([expect.objectContaining({ participations: 0 })])
  })
})

describe('cards', () => {
  const Task = z.object({ task_id: z.string() })
  const Exported = z.object({ result: z.object({ export_data: z.string() }) })
  const Cards = z.array(z.object({ id: z.string(), title: z.string() }))
  const done = async (started: unknown, by = all.alice) => {
    const path = `/bulk/status/${Task.parse(started).task_id}`
    return until(async () => {
      const { body } = await by.get(path)
      return z.object({ status: z.string() }).parse(body).status === 'SUCCESS' ? body : null
    })
  }

  it('are read by the ids that exports give, by their owner alone', async () => {
    const { alice, bob } = all
    const made = { title: 'Sluices', body: 'How they work', category: 'IDEAS', privacy_level: 'PERSONAL', tags: ['a'] }
    await done((await alice.post('/bulk/import', { cards: [made] })).body)
    const exported = Exported.parse(await done((await alice.post('/bulk/export', { format: 'json' })).body))
    const [card] = Cards.parse(JSON.parse(exported.result.export_data))
    const ask = async (by = alice) =>
      BatchResults.parse((await by.post(GET, { resource_type: 'cards', ids: [card?.id] })).body).results[0]
    expect(await ask()).toMatchObject({ status: 'success', data: { ...made, id: card?.id } })
    expect(await ask(bob)).toMatchObject({
      status: 'error',
      status_code: 404,
      error: `Card with id ${card?.id} not found`,
    })
  })

  it('fill an answer, which says what to ask for again', async () => {
    const [mb, fit] = ON_CLOUDFLARE ? [8, 10] : [64, 87]
    const { bob } = all
    const body = '水'.repeat(245_000)
    const ids: string[] = []
    for (let at = 0; at < fit + 6; at += 10) {
      const cards = Array.from({ length: Math.min(10, fit + 6 - at) }, (_, place) => ({
        title: `Long ${at + place}`,
        body: `${at + place} ${body}`,
        category: 'LONG',
        privacy_level: 'PERSONAL',
      }))
      await done((await bob.post('/bulk/import', { cards })).body, bob)
    }
    const wanted = { format: 'csv', categories: ['LONG'] }
    const { result } = z
      .object({ result: z.object({ download_url: z.string() }) })
      .parse(await done((await bob.post('/bulk/export', wanted)).body, bob))
    const csv = await (await all.server.fetch(result.download_url)).text()
    for (const line of csv.split('\n')) {
      const [, id] = /^([0-9a-f-]{36}),/.exec(line) ?? []
      if (id !== undefined) ids.push(id)
    }
    expect(ids).toHaveLength(fit + 6)
    const read = async (some: readonly string[]) =>
      BatchResults.parse((await bob.post(GET, { resource_type: 'cards', ids: some })).body).results
    const first = await read(ids)
    const full = first.filter(({ status }) => status === 'error')
    expect([first.length - full.length, full.length]).toEqual([fit, 6])
    expect(full[0]).toMatchObject({
      status_code: 503,
      error: `The answer is full, at ${mb} MB of cards: ask for this one in another request`,
    })
    expect((await read(full.map(({ id }) => id))).map(({ status }) => status)).toEqual(Array(6).fill('success'))
  })
})

describe('POST /api/v1/batch/activities/recommendations', () => {
  const ask = async (body: object) => RecommendationResults.parse((await all.bob.post(RECOMMEND, body)).body)

  it('answers every child in its place, one never seen before and one named twice included', async () => {
    const { results, ...rest } = await ask({
      child_ids: ['ann', 'new', 'ann'],
      child_age_months: 36,
      weather: 'sunny',
      group_size: 10,
    })
    expect(results.map(({ id, data }) => [id, data.child_id, data.recommendations.length])).toEqual([
      ['ann', 'ann', 5],
      ['new', 'new', 5],
      ['ann', 'ann', 5],
    ])
    expect(rest).toMatchObject({ total_requested: 3, total_succeeded: 3, total_failed: 0 })
    const scores = results[0]?.data.recommendations.map(({ relevance_score }) => relevance_score) ?? []
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
  })

  it('follows what a child did', async () => {
    const body = { child_ids: ['max'], activity_types: ['motor'], max_recommendations: 20, group_size: 1 }
    const before = await ask(body)
    const first = before.results[0]?.data.recommendations[0]
    expect(first?.reasoning).toContain('Fresh activity suggestion')
    const id = first?.activity.id
    await all.bob.post('/api/v1/participations', {
      participations: [
        { child_id: 'max', activity_id: id },
        { child_id: 'max', activity_id: id },
      ],
    })
    const after = (await ask(body)).results[0]?.data.recommendations.find(({ activity }) => activity.id === id)
    expect(after?.reasoning).toMatch(/Recently participated; Participated 2 time\(s\) before$/)
    // −0.1 for no longer being fresh, −0.1 for two times.
    expect(after?.relevance_score).toBeCloseTo((first?.relevance_score ?? 0) - 0.2, 9)
  })

  it('takes null for what is left out', async () => {
    const left = await ask({ child_ids: ['c'] })
    const nulls = await ask({
      child_ids: ['c'],
      max_recommendations: null,
      activity_types: null,
      child_age_months: null,
      weather: null,
      group_size: null,
      include_special_needs: null,
    })
    const picks = (answer: typeof left) => answer.results.map(({ data }) => data.recommendations)
    expect(picks(nulls)).toEqual(picks(left))
    expect(picks(left)[0]).toHaveLength(5)
  })

  it('has a tag that stays while the answer does', async () => {
    const first = await all.bob.post(RECOMMEND, { child_ids: ['tag'] })
    const etag = first.headers.get('ETag') ?? ''
    expect((await all.bob.post(RECOMMEND, { child_ids: ['tag'] }, { 'If-None-Match': etag })).status).toBe(304)
    await all.bob.post('/api/v1/participations', {
      participations: [{ child_id: 'tag', activity_id: 'shared-animal-walks' }],
    })
    const body = { child_ids: ['tag'], max_recommendations: 20 }
    const long = await all.bob.post(RECOMMEND, body)
    expect((await all.bob.post(RECOMMEND, body, { 'If-None-Match': long.headers.get('ETag') ?? '' })).status).toBe(304)
    expect(long.headers.get('ETag')).not.toBe(etag)
  })
})

describe('what is wrong', () => {
  it.each([
    [
      GET,
      {},
      [
        ['body', 'resource_type'],
        ['body', 'ids'],
      ],
      'missing',
    ],
    [GET, activities('a'), [['body', 'ids']], 'list_type'],
    [GET, activities(null), [['body', 'ids']], 'list_type'],
    [
      GET,
      activities([1, 'a', null]),
      [
        ['body', 'ids', 0],
        ['body', 'ids', 2],
      ],
      'string_type',
    ],
    [GET, activities(Array(101).fill('a')), [['body', 'ids']], 'too_long'],
    [GET, activities(['a'], { fields: ['id'] }), [['body', 'fields']], 'string_type'],
    [GET, [], [['body']], 'dict_type'],
    [GET, null, [['body']], 'dict_type'],
    [RECOMMEND, { child_ids: Array(51).fill('a') }, [['body', 'child_ids']], 'too_long'],
    [RECOMMEND, { child_ids: [] }, [['body', 'child_ids']], 'too_short'],
    [RECOMMEND, { child_ids: [''] }, [['body', 'child_ids', 0]], 'too_short'],
    [RECOMMEND, { child_ids: ['a'], max_recommendations: 21 }, [['body', 'max_recommendations']], 'less_than_equal'],
    [RECOMMEND, { child_ids: ['a'], max_recommendations: 0 }, [['body', 'max_recommendations']], 'greater_than_equal'],
    [RECOMMEND, { child_ids: ['a'], child_age_months: -1 }, [['body', 'child_age_months']], 'greater_than_equal'],
    [RECOMMEND, { child_ids: ['a'], child_age_months: 'old' }, [['body', 'child_age_months']], 'number_type'],
    [RECOMMEND, { child_ids: ['a'], include_special_needs: 'yes' }, [['body', 'include_special_needs']], 'bool_type'],
    [
      '/api/v1/activities',
      { activities: [{ name: '', activity_type: 'motor' }] },
      [['body', 'activities', 0, 'name']],
      'too_short',
    ],
    [
      '/api/v1/activities',
      { activities: [{ name: 'a', activity_type: 'no good' }] },
      [['body', 'activities', 0, 'activity_type']],
      'string_pattern_mismatch',
    ],
    [
      '/api/v1/activities',
      { activities: [{ id: 'a b', name: 'a', activity_type: 'x' }] },
      [['body', 'activities', 0, 'id']],
      'string_pattern_mismatch',
    ],
    [
      '/api/v1/activities',
      { activities: [{ name: 'a\0b', activity_type: 'x' }] },
      [['body', 'activities', 0, 'name']],
      'value_error',
    ],
    [
      '/api/v1/activities',
      { activities: [{ name: '\ud800', activity_type: 'x' }] },
      [['body', 'activities', 0, 'name']],
      'value_error',
    ],
    [
      '/api/v1/activities',
      { activities: [{ name: 'a', activity_type: 'x', age_range: { min_months: 9, max_months: 8 } }] },
      [['body', 'activities', 0, 'age_range']],
      'value_error',
    ],
    [
      '/api/v1/participations',
      { participations: [{ child_id: 'a', activity_id: 'nope' }] },
      [['body', 'participations', 0, 'activity_id']],
      'not_found',
    ],
    [
      '/api/v1/participations',
      { participations: [{ child_id: 'a', activity_id: 'shared-sock-pairs', participated_at: 'today' }] },
      [['body', 'participations', 0, 'participated_at']],
      'string_pattern_mismatch',
    ],
  ])('%s %j names the fields', async (path, body, locations, type) => {
    const answer = await all.alice.post(path, body)
    const { detail } = DetailBody.parse(answer.body)
    expect(answer.status).toBe(422)
    expect(typeof detail === 'string' ? detail : detail.map(({ loc }) => loc)).toEqual(locations)
    expect(typeof detail !== 'string' && detail[0]?.type).toBe(type)
  })

  it('is said in this shape by the middleware too', async () => {
    const shapes = [
      await all.nobody.post(GET, activities([])),
      await all.bearer('mr_wrong').post(RECOMMEND, {}),
      await all.alice.post(GET, '{"resource_type": '),
      await all.alice.post(GET, ''),
      await all.alice.get('/api/v1/nothing/here'),
      await all.alice.get('/api/v1/activities/nope'),
      await all.alice.post(GET, JSON.stringify(activities(['x'.repeat(10 * 1024 * 1024)]))),
    ]
    expect(shapes.map(({ status }) => status)).toEqual([401, 401, 400, 400, 404, 404, 413])
    for (const { body } of shapes) expect(z.strictObject({ detail: z.string().min(1) }).parse(body)).toBeTruthy()
    expect(shapes[0]?.headers.get('WWW-Authenticate')).toBe('Bearer')
  })

  it('never breaks the server, whatever is sent', async () => {
    const value = fc.jsonValue({ maxDepth: 3 })
    const body = fc.record(
      {
        resource_type: fc.oneof(fc.constant('activities'), value),
        ids: fc.oneof(fc.array(fc.string({ unit: 'binary' })), value),
        fields: value,
        child_ids: fc.oneof(fc.array(fc.string()), value),
        weather: value,
        activity_types: value,
        items: value,
        activities: value,
      },
      { requiredKeys: [] },
    )
    const path = fc.constantFrom(
      GET,
      RECOMMEND,
      '/api/v1/batch/update',
      '/api/v1/batch/delete',
      '/api/v1/activities',
      '/api/v1/coaching',
    )
    await drawFirst(body)
    await fc.assert(
      fc.asyncProperty(path, body, async (to, what) => {
        const { status } = await all.bob.post(to, what)
        expect([200, 201, 400, 409, 422]).toContain(status)
      }),
      { numRuns: 300 },
    )
    expect(all.server.output).not.toContain('with an unexpected error')
  })
})

describe('callers', () => {
  it('are let in by a JWT that is signed, in time, and names an owner', async () => {
    const made = { activities: [{ id: 'of-carol', name: 'A', activity_type: 'x' }] }
    const carol = await all.jwt({ sub: 'carol', exp: now() + 60 })
    expect((await carol.post('/api/v1/activities', made)).status).toBe(201)
    expect((await (await all.jwt({ sub: 'carol' })).get('/api/v1/activities/of-carol')).status).toBe(200)
    expect((await all.alice.get('/api/v1/activities/of-carol')).status).toBe(404)
    const [, payload = ''] = (
      await import('hono/jwt').then(({ sign }) => sign({ sub: 'carol' }, 'x'.repeat(32), 'HS256'))
    ).split('.')
    const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${payload}.`
    const refused = [
      await all.jwt({ sub: 'carol', exp: now() - 61 }),
      await all.jwt({ sub: 'carol', exp: 'tomorrow' }),
      await all.jwt({ sub: 'carol', nbf: now() + 120 }),
      await all.jwt({ sub: 'carol' }, 'another secret that is long enough'),
      await all.jwt({ sub: 'carol' }, undefined, 'HS512'),
      await all.jwt({ exp: now() + 60 }),
      await all.jwt({ sub: '' }),
      await all.jwt({ sub: 7 }),
      await all.jwt({ sub: 'shared' }),
      await all.jwt({ sub: 'local' }),
      await all.jwt({ sub: 'carol', batch: 'b' }),
      all.bearer(none),
      all.bearer('..'),
    ]
    const answers = await Promise.all(refused.map((caller) => caller.get('/api/v1/activities')))
    expect(answers.map(({ status }) => status)).toEqual(refused.map(() => 401))
  })

  it("see their own and the shared activities in pages, and nobody else's", async () => {
    const { alice, bob } = all
    await alice.post('/api/v1/activities', { activities: [{ id: 'page-a', name: 'A', activity_type: 'x' }] })
    await bob.post('/api/v1/activities', { activities: [{ id: 'page-b', name: 'B', activity_type: 'x' }] })
    const ids: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: z.infer<typeof Page> = Page.parse(
        (await bob.get(`/api/v1/activities?limit=25${cursor === '' ? '' : `&cursor=${cursor}`}`)).body,
      )
      ids.push(...page.activities.map(({ id }) => id))
      cursor = page.next_cursor
    }
    expect(ids).toEqual([...new Set(ids)].sort())
    expect(ids).toContain('page-b')
    expect(ids).not.toContain('page-a')
    expect(ids.filter((id) => id.startsWith('shared-'))).toHaveLength(61)
    const bad = await bob.get('/api/v1/activities?limit=0')
    expect([bad.status, bad.body]).toMatchObject([422, { detail: [{ loc: ['query', 'limit'] }] }])
  })

  it('cannot take an id twice, and another owner can', async () => {
    const body = { activities: [{ id: 'twice', name: 'A', activity_type: 'x' }] }
    expect((await all.alice.post('/api/v1/activities', body)).status).toBe(201)
    expect((await all.alice.post('/api/v1/activities', body)).body).toEqual({
      detail: 'Activity with id twice already exists',
    })
    expect((await all.bob.post('/api/v1/activities', body)).status).toBe(201)
    const { headers } = await all.bob.get('/api/v1/activities/twice')
    const etag = headers.get('ETag') ?? ''
    expect((await all.bob.get('/api/v1/activities/twice', { 'If-None-Match': `"x", ${etag}` })).status).toBe(304)
  })
})
