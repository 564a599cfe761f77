/** The routes of the app and the operations of the document are the same; what routes have in common holds for each. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { openWholeApp } from '../../support/whole-app.ts'
import { Contract, read } from './contract.ts'

let app: Awaited<ReturnType<typeof openWholeApp>>
beforeAll(async () => {
  app = await openWholeApp()
})
afterAll(() => app.close())

const contract = new Contract(await loadOpenApiDocument({}))
const ORIGIN = 'https://app.example.com'
/** Paths as a caller writes them, with an id that nothing has. */
const paths = Object.entries(contract.document.paths).map(([template, methods]): [string, string[]] => [
  template.replace(/\{\w+\}/g, 'nothing'),
  Object.keys(methods).flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()])),
])
const call = (path: string, method: string, headers: Record<string, string> = {}) =>
  fetch(new URL(path, app.url), { method, headers })

describe('the document', () => {
  it('has every route of the app and nothing else', () => {
    const routes = app.app.routes.filter(({ method }) => method !== 'ALL')
    const named = routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    expect(named.length).toBeGreaterThan(40)
    const stated = contract.operations.map(({ method, path }) => `${method} ${path}`)
    expect(stated.sort()).toEqual([...new Set(named)].sort())
  })

  it('refers to nothing that is not there', () => {
    const refs = [...JSON.stringify(contract.document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = '']) => ref)
    const missing = [...new Set(refs)].filter((ref) => {
      const [first, ...steps] = ref.split('/')
      let here: unknown = first === '#' ? contract.document : undefined
      for (const step of steps) here = z.record(z.string(), z.unknown()).safeParse(here).data?.[step]
      return here === undefined
    })
    expect(refs.length).toBeGreaterThan(300)
    expect(missing).toEqual([])
  })

  it('gives each operation a name of its own, and says what its path takes', () => {
    const names = contract.operations.map(({ operationId }) => operationId)
    expect(new Set(names).size).toBe(names.length)
    const parameters = contract.operations.flatMap(({ path, parameters: of }) =>
      [...path.matchAll(/\{(\w+)\}/g)].filter(([, name]) => !of.some((one) => one.in === 'path' && one.name === name)),
    )
    expect(parameters).toEqual([])
  })

  it('is sent once: its tag spares the rest', async () => {
    const first = await call('/openapi.json', 'GET')
    const again = await call('/openapi.json', 'GET', { 'If-None-Match': first.headers.get('ETag') ?? '' })
    expect([first.status, again.status]).toEqual([200, 304])
    expect(z.looseObject({ openapi: z.literal('3.1.0') }).parse(await first.json()).paths).toEqual(
      expect.objectContaining(
        Object.fromEntries(Object.keys(contract.document.paths).map((path) => [path, expect.anything()])),
      ),
    )
  })
})

describe('without a key', () => {
  it.each(contract.operations.map((operation) => [`${operation.method} ${operation.path}`, operation] as const))(
    '%s says 401, unless it is for everybody',
    async (_, operation) => {
      const answer = await read(await call(operation.path.replace(/\{\w+\}/g, 'nothing'), operation.method))
      if (operation.isPublic) return expect(answer.status).not.toBe(401)
      expect(answer.status).toBe(401)
      expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Bearer/)
      contract.check(operation, answer)
    },
  )

  it.each(['/nothing', '/api/batch/x/nothing', '/bulk/nothing', '/api/v1/nothing', '/api/chunks/x/nothing'])(
    'what is not there is told apart by nobody: %s',
    async (path) => {
      expect((await call(path, 'GET')).status).toBe(401)
    },
  )
})

describe('every path', () => {
  it.each(paths)('%s answers other methods than its own with 405 and Allow', async (path, methods) => {
    const send = await app.as('alice')
    const tag = contract.operations.find((one) => one.path.replace(/\{\w+\}/g, 'nothing') === path)?.tags[0] ?? ''
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY'].filter((one) => !methods.includes(one))) {
      const answer = await read(await send(method, path))
      expect([method, answer.status]).toEqual([method, 405])
      expect(answer.headers.get('Allow')?.split(', ').sort()).toEqual([...methods].sort())
      contract.checkError(tag, answer)
    }
  })

  it.each(paths)('%s tells OPTIONS what it has', async (path, methods) => {
    const answer = await read(await call(path, 'OPTIONS'))
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect(answer.headers.get('Allow')?.split(', ').sort()).toEqual([...methods].sort())
  })

  it.each(paths)('%s lets pages of the right origin ask first', async (path, methods) => {
    const headers = {
      Origin: ORIGIN,
      'Access-Control-Request-Method': methods[0] ?? '',
      'Access-Control-Request-Headers': 'authorization',
    }
    const answer = await call(path, 'OPTIONS', headers)
    expect(answer.status).toBe(204)
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(ORIGIN)
    expect(answer.headers.get('Access-Control-Allow-Methods')?.split(',').sort()).toEqual([...methods].sort())
    expect(answer.headers.get('Access-Control-Allow-Headers')).toBe('authorization')
    const foreign = await call(path, 'OPTIONS', { ...headers, Origin: 'https://evil.example.com' })
    expect(foreign.headers.get('Access-Control-Allow-Origin')).toBeNull()
  })

  it.each(paths.filter(([, methods]) => methods.includes('GET')))(
    '%s answers HEAD as GET, without a body',
    async (path) => {
      const send = await app.as('alice')
      const get = await send('GET', path)
      const head = await send('HEAD', path)
      await get.body?.cancel()
      expect([head.status, await head.text()]).toEqual([get.status, ''])
      expect(head.headers.get('Content-Type')).toBe(get.headers.get('Content-Type'))
    },
  )
})

it('nothing is at any other path, whatever the surface', async () => {
  const send = await app.as('alice')
  const unknown = {
    '/nothing': 'Server',
    '/api/batch/x/y/z': 'Batch',
    '/bulk/x': 'Cards',
    '/api/v1/x': 'Reads',
    '/api/chunks/x/y': 'Chunks',
  }
  for (const [path, tag] of Object.entries(unknown)) {
    const answer = await read(await send('GET', path))
    expect([path, answer.status]).toEqual([path, 404])
    contract.checkError(tag, answer)
    expect((await call(path, 'OPTIONS')).status).toBe(404)
  }
})

it('crawlers may read public pages and nothing else', async () => {
  expect(await (await call('/robots.txt', 'GET')).text()).toBe(
    'User-agent: *\nAllow: /cards/\nAllow: /results/\nDisallow: /\n',
  )
})
