/** Every operation, asked for what it must refuse: what it says is in its surface's own shape, as the document states it, and names what was wrong. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { sign } from 'hono/jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { RATE_CLASSES } from '../../../src/rate-classes.ts'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { curl, startServer, type TestServer } from '../../support/server.ts'
import { type Answer, Contract, type Operation, read } from './contract.ts'
import { withoutExample } from './recorded-examples.ts'
import { formOf, senderTo } from './send.ts'
import { type Send, World } from './world.ts'

const JWT_SECRET = 'a secret for the sweep over every route'
const MB = 1024 * 1024
const contract = new Contract(await loadOpenApiDocument({}))

let server: TestServer
let limited: TestServer
let key: string
let send: Send
let world: World

const keyOf = (claims: Record<string, unknown>) => sign({ exp: 9_999_999_999, ...claims }, JWT_SECRET, 'HS256')

beforeAll(async () => {
  // The feed of a sync is on this machine.
  const env = { MILLRACE_AUTH: 'keys', JWT_SECRET, MILLRACE_ALLOW_PRIVATE_URLS: '1' }
  // Each look at a document wants one of its own.
  server = await startServer({ env: { ...env, RATE_LIMITS: 'rag.process=1000' } })
  const one = Object.keys(RATE_CLASSES).map((name) => `${name}=1`)
  limited = await startServer({ env: { ...env, RATE_LIMITS: one.join(',') } })
  key = await keyOf({ sub: 'alice', scope: '*' })
  send = senderTo(server, key)
  world = new World(send)
})
afterAll(() => Promise.all([server, limited].map((one) => one[Symbol.asyncDispose]())))

/** The path with an id in it; the default is one that nothing has. */
const pathOf = ({ path, operationId }: Operation, id = operationId === 'readChunk' ? 'k_nothing' : 'nothing') =>
  path.replace(/\{\w+\}/g, id)

/** A path whose id, if it has one, is that of an open batch. */
const pathTo = async (operation: Operation) =>
  pathOf(operation, operation.path.includes('{') ? await world.open() : undefined)

async function refused(operation: Operation, response: Promise<Response>): Promise<Answer> {
  const answer = await read(await response)
  contract.check(operation, answer)
  return answer
}

const named = (some: readonly Operation[]) => some.map((one) => [one.operationId, one] as const)
const keyed = contract.operations.filter(({ isPublic }) => !isPublic)
const taking = contract.operations.filter(({ requestBody }) => requestBody !== undefined)
const takingJson = taking.filter(({ requestBody }) => 'application/json' in (requestBody?.content ?? {}))

/** A body that the operation takes, from the document. */
function exampleOf({ requestBody }: Operation): Record<string, unknown> {
  const examples = Object.values(requestBody?.content['application/json']?.examples ?? {})
  return z.record(z.string(), z.unknown()).parse(examples[0]?.value)
}

const at = ({ path, method }: Operation) => [
  'paths',
  path,
  method.toLowerCase(),
  'requestBody',
  'content',
  'application/json',
  'schema',
]

describe('401 and 403', () => {
  it.each(named(keyed))('%s, with a key that is none', async (_, operation) => {
    const answer = await refused(operation, senderTo(server, 'mr_wrong')(operation.method, pathOf(operation)))
    expect(answer.status).toBe(401)
  })

  it.each(named(keyed))('%s, with a key that may do something else', async (operationId, operation) => {
    const scope = operationId === 'readMetrics' ? 'read write' : 'metrics:read'
    const narrow = senderTo(server, await keyOf({ sub: 'alice', scope }))
    const answer = await refused(operation, narrow(operation.method, pathOf(operation)))
    expect(answer.status).toBe(403)
    expect(answer.headers.get('WWW-Authenticate')).toContain('insufficient_scope')
  })
})

describe('404', () => {
  // A PUT makes what there is not.
  const naming = contract.operations.filter(({ path, method }) => path.includes('{') && method !== 'PUT')
  it.each(named(naming))('%s', async (operationId, operation) => {
    const type = Object.keys(operation.requestBody?.content ?? {})[0]
    const headers = type === undefined ? {} : { 'Content-Type': type }
    // Whatever is changed has to be said; elsewhere a body may be left out, or is looked at after the id.
    const body = operation.method === 'PATCH' ? JSON.stringify(exampleOf(operation)) : type && ''
    const answer = await refused(operation, send(operation.method, pathOf(operation), body, headers))
    expect(answer.status).toBe(404)
    if (!/^show(Card|Result)$/.test(operationId))
      expect(answer.headers.get('Content-Type')).toContain('application/json')
  })
})

describe('a path with a line end in it', () => {
  const ends = ['%0A', '%0d%0aX-Injected:%201', '%E2%80%A8', '%E2%80%A9']
  const under = ['', '/api/v1/activities', '/bulk/import', '/cards', '/exports']
  it.each(ends.flatMap((end) => under.map((path) => `${path}/x${end}/y/z`)))('%s meets every check', async (path) => {
    const stranger = await server.fetch(path)
    expect(stranger.status).toBe(/^\/cards/.test(path) ? 404 : 401)
    const answer = await send('PROPFIND', path)
    expect(answer.status).toBe(404)
    for (const { headers } of [stranger, answer]) {
      expect(headers.get('X-Request-Id')).toMatch(/./)
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
      expect(headers.has('X-Injected')).toBe(false)
    }
  })
})

describe('413', () => {
  /** A file of zeros, made without writing them. */
  async function zeros(size: number): Promise<string> {
    const path = join(server.dataDir, `zeros-${size}`)
    const file = await open(path, 'w')
    await file.truncate(size)
    await file.close()
    return path
  }

  /** Sends a large body as clients do that wait for no leave. */
  async function large(operation: Operation, args: readonly string[]): Promise<Answer> {
    const url = new URL(pathOf(operation, operation.path.includes('{') ? await world.open() : ''), server.url).href
    const out = await curl([
      '-i',
      '-H',
      'Expect:',
      '-H',
      `Authorization: Bearer ${key}`,
      '-X',
      operation.method,
      ...args,
      url,
    ])
    const head = out.slice(out.lastIndexOf('HTTP/1.1 '), out.lastIndexOf('\r\n\r\n'))
    const [first = '', ...lines] = head.split('\r\n')
    const pairs = lines.map((line): [string, string] => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 1).trim(),
    ])
    const answer = {
      status: Number(first.split(' ')[1]),
      headers: new Headers(pairs),
      text: out.slice(out.lastIndexOf('\r\n\r\n') + 4),
    }
    contract.check(operation, answer)
    return answer
  }

  it.each(named(taking))('%s', async (operationId, operation) => {
    const [type = ''] = Object.keys(operation.requestBody?.content ?? {})
    const most =
      {
        Batch: 32,
        Cards: operationId === 'importCards' ? 64 : 10,
        Chunks: 10,
        Reads: 10,
        Documents: 10,
        Secrets: 1 / 16,
        Workers: 32,
        Schedules: 4,
      }[operation.tags[0]] ?? 0
    const args =
      type === 'multipart/form-data'
        ? ['-F', `${operationId === 'uploadDocuments' ? 'files' : 'pdfs'}=@${await zeros(50 * MB + 1)}`]
        : ['-H', `Content-Type: ${type}`, '--data-binary', `@${await zeros(most * MB + 1)}`]
    expect((await large(operation, args)).status).toBe(413)
  })
})

describe('415', () => {
  it.each(named(taking))('%s', async (_, operation) => {
    const path = pathOf(operation, operation.path.includes('{') ? await world.open() : '')
    for (const type of ['image/png', 'application/x-www-form-urlencoded', 'text/plain', 'application/xml']) {
      const answer = await refused(operation, send(operation.method, path, 'a=1', { 'Content-Type': type }))
      expect([type, answer.status]).toEqual([type, 415])
    }
  })
})

it.each(named(takingJson.filter(({ operationId }) => operationId !== 'importCards')))(
  '%s takes a body that is not said to be anything for JSON',
  async (_, operation) => {
    const body = new TextEncoder().encode(JSON.stringify(exampleOf(operation)))
    const isNamed = operation.path.includes('{')
    const path = pathOf(operation, isNamed ? await world.idFor(operation.operationId) : '')
    const own = await keyOf({ sub: `nameless-${operation.operationId}`, scope: '*' })
    if (operation.operationId === 'exportEmbeddings')
      await new World(senderTo(server, own)).processing(String(exampleOf(operation).job_id))
    if (operation.operationId === 'claimJobs') await new World(senderTo(server, own)).declared('resize')
    const headers = { Authorization: `Bearer ${isNamed ? key : own}` }
    const answer = await refused(operation, server.fetch(path, { method: operation.method, headers, body }))
    expect(answer.status).toBeLessThan(300)
  },
)

/** Parameters without which an operation is not asked for anything. */
const REQUIRED: Readonly<Record<string, string>> = { listContent: 'channel_url' }

/** Adds what an operation requires to a query that does not name it. */
function withRequired({ operationId }: Operation, query: string): string {
  const name = REQUIRED[operationId]
  return name === undefined || query.startsWith(`${name}=`) ? query : `${query}&${name}=https://example.org/feed.xml`
}

/** Operations that pass over parameters which they do not take: those who pass on their addresses add some. */
const LENIENT = ['isAlive', 'isReady', 'readDocsFile', 'readRobots', 'showCard', 'showDocs', 'showResult']

describe('400 and 422', () => {
  it.each(named(takingJson))('%s, of what is no JSON', async (_, operation) => {
    const path = await pathTo(operation)
    const empty = operation.requestBody?.required === true ? ['', '\ufeff'] : []
    for (const body of ['{"a":', '{a:1}', ...empty]) {
      const answer = await refused(operation, send(operation.method, path, body))
      expect([body, answer.status]).toEqual([body, 400])
      expect(answer.text).toMatch(/JSON/)
    }
  })

  const WRONG = [{ wrong: 1 }, 'wrong', 12_345.5, [[]], true, null]
  const fields = takingJson.flatMap((operation) => {
    const schema = contract.schemaAt(at(operation))
    // Of an import, the body with options; the other is cards alone.
    const [first] = z.array(z.record(z.string(), z.unknown())).safeParse(schema.anyOf).data ?? [schema]
    const { properties, required = [] } = z
      .object({ properties: z.record(z.string(), z.unknown()), required: z.array(z.string()).optional() })
      .parse(first)
    const example = exampleOf(operation)
    const wrong = Object.keys(properties).flatMap((field) =>
      WRONG.map((value) => ({ ...example, [field]: value }))
        .filter((body) => contract.faults(at(operation), body).length > 0)
        .slice(0, 2)
        .map((body) => [operation.operationId, field, body, operation] as const),
    )
    const missing = required.map((field) => {
      const { [field]: _, ...rest } = example
      return [operation.operationId, field, rest, operation] as const
    })
    return [...wrong, ...missing]
  })

  it.each(fields)('%s, of a wrong "%s", which is named', async (_, field, body, operation) => {
    const answer = await refused(operation, send(operation.method, await pathTo(operation), body))
    expect([400, 422]).toContain(answer.status)
    expect(answer.text).toContain(field)
  })

  it.each(named(takingJson))('%s, of an option that it does not take, which is named', async (_, operation) => {
    const example = exampleOf(operation)
    const [known = ''] = Object.keys(example)
    for (const name of ['verbos', `${known}x`]) {
      const body = { ...example, [name]: 1 }
      expect(contract.faults(at(operation), body)).not.toEqual([])
      const answer = await refused(operation, send(operation.method, await pathTo(operation), body))
      expect([name, [400, 422].includes(answer.status), answer.text]).toEqual([
        name,
        true,
        expect.stringContaining(name),
      ])
      if (name !== 'verbos') expect(answer.text).toMatch(new RegExp(`Did you mean \\\\?"${known}`))
    }
  })

  const parameters = contract.operations.flatMap((operation) =>
    operation.parameters.flatMap((parameter, index) => {
      const place = ['paths', operation.path, operation.method.toLowerCase(), 'parameters', String(index), 'schema']
      if (parameter.in !== 'query' || contract.faults(place, 'wrong!').length === 0) return []
      return [[operation.operationId, parameter.name ?? '', operation] as const]
    }),
  )

  /** Sends a query string to an operation, with a body of its type that holds nothing. */
  async function asked(operation: Operation, query: string): Promise<Answer> {
    const { operationId, path } = operation
    const id = path.includes('{') && !operation.isPublic ? await world.idFor(operationId) : undefined
    const type = Object.keys(operation.requestBody?.content ?? {}).at(-1)
    const headers = type === undefined ? {} : { 'Content-Type': type }
    const whole = withRequired(operation, query)
    return refused(operation, send(operation.method, `${pathOf(operation, id)}?${whole}`, type && '', headers))
  }

  const namesOf = ({ parameters: all }: Operation) =>
    all.flatMap(({ in: place, name = '' }) => (place === 'query' ? [name] : []))
  const strict = contract.operations.filter(
    ({ responses, operationId }) => ('400' in responses || '422' in responses) && !LENIENT.includes(operationId),
  )

  it('holds for every operation but pages, their files and what monitors ask', () => {
    const others = contract.operations.filter((operation) => !strict.includes(operation))
    expect(others.map(({ operationId }) => operationId).sort()).toEqual([...LENIENT].sort())
  })

  it.each(named(contract.operations.filter(({ operationId }) => LENIENT.includes(operationId))))(
    '%s passes over parameters that others add',
    async (_, operation) => {
      const url = `${pathOf(operation)}?utm_source=mail`
      expect([400, 422]).not.toContain((await server.fetch(url)).status)
    },
  )

  it.each(named(strict))('%s, of a parameter that it does not take, which is named', async (_, operation) => {
    const [first] = namesOf(operation)
    for (const name of ['verbos', '__proto__', 'constructor', ...(first === undefined ? [] : [`${first}x`])]) {
      const answer = await asked(operation, `${name}=1`)
      expect([name, [400, 422].includes(answer.status), answer.text]).toEqual([
        name,
        true,
        expect.stringContaining(name),
      ])
      if (name === `${first}x`) expect(answer.text).toMatch(new RegExp(`Did you mean \\\\?"${first}`))
    }
  })

  it.each(named(strict.filter((operation) => namesOf(operation).length > 0)))(
    '%s, of a parameter that is sent twice, which is named',
    async (_, operation) => {
      for (const name of namesOf(operation)) {
        const answer = await asked(operation, `${name}=1&${name}=2`)
        expect([400, 422]).toContain(answer.status)
        expect(answer.text).toContain(name)
        expect(answer.text).toContain('2 were sent')
      }
    },
  )

  it.each(named(strict.filter((operation) => namesOf(operation).includes('cursor'))))(
    '%s, of a cursor that is none',
    async (_, operation) => {
      for (const cursor of [
        '',
        '-1',
        '1e3',
        '0x1',
        '%20',
        'null',
        'abc',
        'a'.repeat(2_000),
        '%ED%A0%80',
        '9'.repeat(30),
      ]) {
        const answer = await asked(operation, `cursor=${cursor}`)
        expect([cursor, [400, 422].includes(answer.status)]).toEqual([cursor, true])
        expect(answer.text).toContain('cursor')
      }
    },
  )

  it.each(parameters)('%s, of a wrong parameter "%s", which is named', async (operationId, name, operation) => {
    const path = pathOf(operation, operation.path.includes('{') ? await world.idFor(operationId) : '')
    const type = Object.keys(operation.requestBody?.content ?? {}).at(-1)
    const headers = type === undefined ? {} : { 'Content-Type': type }
    const answer = await refused(
      operation,
      send(operation.method, `${path}?${withRequired(operation, `${name}=wrong!`)}`, type && '', headers),
    )
    expect([400, 422]).toContain(answer.status)
    expect(answer.text).toContain(name)
  })
})

describe('Idempotency-Key', () => {
  const made = contract.operations.filter(({ parameters }) =>
    parameters.some(({ $ref }) => $ref?.endsWith('/Idempotency-Key')),
  )
  /** What begins something; of the writes only what is more than is answered at once. */
  function bodyOf(operation: Operation, variant: number): unknown {
    const ids = Array.from({ length: 101 }, (_, index) => `${variant}-${index}`)
    switch (operation.operationId) {
      case 'extractHeatSheets': {
        const form = new FormData()
        form.append('swimmer', 'Mara Lindqvist')
        form.append('urls', `["https://example.com/${variant}.pdf"]`)
        return form
      }
      case 'updateResources':
        return { resource_type: 'activities', items: ids.map((id) => ({ id, data: { name: 'N' } })) }
      case 'deleteResources':
        return { resource_type: 'activities', ids }
      case 'importCards':
      case 'importCardsFile': {
        const { cards } = exampleOf(contract.operation('importCards'))
        return {
          cards: [
            {
              ...z.looseObject({}).parse(z.array(z.unknown()).parse(cards)[0]),
              title: `${variant}`,
            },
          ],
        }
      }
      case 'exportCards':
        return { format: variant === 1 ? 'csv' : 'json' }
      case 'createBatch':
        return { operation: 'echo', items: [{ value: variant }] }
      default:
        return { card_ids: [`${variant}`] }
    }
  }

  it.each(named(made))(
    '%s: 400 for one that can be none, 422 for one that stands for something else',
    async (id, operation) => {
      const wrong = await refused(
        operation,
        send('POST', operation.path, bodyOf(operation, 1), { 'Idempotency-Key': 'no blanks' }),
      )
      expect(wrong.status).toBe(400)
      expect(wrong.text).toContain('Idempotency-Key')
      const headers = { 'Idempotency-Key': `sweep-${id}` }
      expect(
        (await refused(operation, send('POST', operation.path, bodyOf(operation, 1), headers))).status,
      ).toBeLessThan(300)
      expect(
        (await refused(operation, send('POST', operation.path, bodyOf(operation, 1), headers))).status,
      ).toBeLessThan(300)
      expect((await refused(operation, send('POST', operation.path, bodyOf(operation, 2), headers))).status).toBe(422)
    },
  )
})

describe('409', () => {
  it.each([
    ['appendItems', () => world.ended()],
    ['retryBatch', () => world.waiting()],
    ['deleteBatch', () => world.waiting()],
    ['resumeImport', () => world.imported()],
  ])('%s, where the state does not allow it', async (operationId, make) => {
    const operation = contract.operation(operationId)
    const body = operationId === 'appendItems' ? '{}\n' : undefined
    const headers = body === undefined ? {} : { 'Content-Type': 'application/x-ndjson' }
    const answer = await refused(operation, send(operation.method, pathOf(operation, await make()), body, headers))
    expect(answer.status).toBe(409)
  })

  it.each(['createActivities', 'createParticipations', 'createCoachingNotes'])(
    '%s, of an id that exists',
    async (id) => {
      const operation = contract.operation(id)
      const [[name, list] = ['', []]] = Object.entries(exampleOf(operation))
      const body = {
        [name]: z
          .array(z.looseObject({}))
          .parse(list)
          .map((row) => ({ ...row, id: 'taken' })),
      }
      expect((await refused(operation, send('POST', operation.path, body))).status).toBe(201)
      const answer = await refused(operation, send('POST', operation.path, body))
      expect([answer.status, answer.text]).toEqual([409, expect.stringContaining('taken')])
    },
  )
})

describe('429', () => {
  /** The body under another name, where its name is its idempotency key: the same again is a repeat, which is not counted. */
  function another({ operationId }: Operation, example: unknown): unknown {
    const name = { processDocuments: 'job_id', exportEmbeddings: 'export_id' }[operationId]
    return name === undefined ? example : { ...z.looseObject({}).parse(example), [name]: 'another' }
  }

  /** Processes a document as an owner who may ask only once for anything: the stream of the batch ends with it. */
  async function processOnce(to: Send, jobId: string): Promise<void> {
    await new World(to).process(jobId)
    const { text } = await read(await to('GET', `/api/batch/${jobId}/stream`))
    expect(text).toContain('batch_completed')
  }

  /** Each answers to an owner of its own, of whom nothing has been counted. */
  async function asOften(operation: Operation, times: number): Promise<Answer> {
    const to = senderTo(limited, await keyOf({ sub: `of-${operation.operationId}`, scope: '*' }))
    const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
    const example = Object.values(media?.examples ?? {})[0]?.value
    const once = (time: number): Promise<Response> => {
      if (type === 'multipart/form-data') return to(operation.method, pathOf(operation), formOf(example))
      const body = time === 1 ? example : another(operation, example)
      return to(operation.method, pathOf(operation), body, type === undefined ? {} : { 'Content-Type': type })
    }
    if (operation.operationId === 'exportEmbeddings')
      await processOnce(to, z.looseObject({ job_id: z.string() }).parse(example).job_id)
    for (let time = 1; time < times; time++) await (await once(time)).body?.cancel()
    return refused(operation, once(times))
  }

  const limitedOnes = keyed.filter(({ operationId }) => operationId !== 'readMetrics')
  it.each(named(limitedOnes))('%s', async (_, operation) => {
    const answer = await asOften(operation, 2)
    expect(answer.status).toBe(429)
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(answer.headers.get('X-RateLimit-Remaining')).toBe('0')
  })

  it('showCard, of pages that are not there', async () => {
    expect((await asOften(contract.operation('showCard'), 2)).status).toBe(429)
  })
})

it('every error that was seen has an example in the document, which keeps to its schema', async () => {
  expect(await withoutExample(contract, (name) => /^[A-Z]\w+ [45]\d\d$/.test(name))).toEqual([])
  const document = await Contract.of((path) => server.fetch(path))
  const faults = Object.entries(document.document.components.responses).flatMap(([name, { content = {} }]) =>
    Object.entries(content).flatMap(([type, { example }]) =>
      example === undefined
        ? []
        : document.faults(['components', 'responses', name, 'content', type, 'schema'], example),
    ),
  )
  expect(faults).toEqual([])
})
