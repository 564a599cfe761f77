/**
 * Clients that generators make of our document: each compiles under strict TypeScript, and a program that uses it runs against a real server,
 * with fields that have a default left out.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { startServer, type TestServer } from '../../support/server.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const MODULES = join(ROOT, 'node_modules')
/** They want a TypeScript of their own: `generators/package.json`. */
const GENERATORS = join(MODULES, 'millrace-client-generators', 'node_modules')
const run = promisify(execFile)

let server: TestServer
let folder = ''
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_AUTH: 'open' } })
  // Within the modules, so that what is generated finds what it imports.
  folder = await mkdtemp(join(MODULES, '.generated-'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'openapi.json'), JSON.stringify(await loadOpenApiDocument({})))
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const ITEMS = '{"value":1}\n{"value":2}\n'
const LINES = '{"title":"a","body":"b","category":"c","privacy_level":"d"}\n'
const CSV = 'title,body,category,privacy_level\na,b,c,d\ne,f,g,h\n'

/** A generator, and a program that uses what it made: it gives the statuses of its calls, and what they came to. */
interface Generator {
  readonly name: string
  readonly command: (made: string) => Promise<unknown>
  readonly program: string
}

const node = (...args: readonly string[]) => run(process.execPath, args, { cwd: folder })

const GENERATED: readonly Generator[] = [
  {
    name: 'openapi-typescript, with openapi-fetch',
    command: (made) =>
      node(join(GENERATORS, 'openapi-typescript', 'bin', 'cli.js'), 'openapi.json', '-o', join(made, 'schema.ts')),
    program: `
      import createClient from 'openapi-fetch'
      import type { paths } from './schema.ts'
      export async function use(baseUrl: string) {
        const client = createClient<paths>({ baseUrl })
        const asItIs = (body: unknown) => String(body)
        const ndjson = { 'Content-Type': 'application/x-ndjson' }
        const made = await client.POST('/api/batch', { body: { operation: 'echo', items: [{ value: 1 }] } })
        const open = await client.POST('/api/batch', { body: { operation: 'echo', open: true } })
        const id = open.data && 'batchId' in open.data ? open.data.batchId : ''
        const added = await client.POST('/api/batch/{id}/items', {
          params: { path: { id } }, body: ${JSON.stringify(ITEMS)}, bodySerializer: asItIs, headers: ndjson,
        })
        const card = { title: 'a', body: 'b', category: 'c', privacy_level: 'd' }
        const cards = await client.POST('/bulk/import', { body: { cards: [card] } })
        const lines = await client.POST('/bulk/import', { body: ${JSON.stringify(LINES)}, bodySerializer: asItIs, headers: ndjson })
        const csv = await client.POST('/bulk/import/file', {
          params: { query: { validate_only: 'true' } }, body: ${JSON.stringify(CSV)}, bodySerializer: asItIs,
          headers: { 'Content-Type': 'text/csv' },
        })
        const file = await client.POST('/bulk/export', { body: { format: 'csv' } })
        const answers = [made, open, added, cards, lines, csv, file]
        return {
          statuses: answers.map(({ response }) => response.status),
          items: added.data?.added, totals: [cards.data?.total, lines.data?.total, csv.data?.total],
        }
      }`,
  },
  {
    name: '@hey-api/openapi-ts',
    command: (made) =>
      node(
        join(GENERATORS, '@hey-api', 'openapi-ts', 'bin', 'run.js'),
        '-i',
        'openapi.json',
        '-o',
        made,
        '--no-log-file',
      ),
    program: `
      import { client } from './client.gen'
      import { appendItems, createBatch, exportCards, importCards, importCardsFile } from './sdk.gen'
      export async function use(baseUrl: string) {
        client.setConfig({ baseUrl })
        const made = await createBatch({ body: { operation: 'echo', items: [{ value: 1 }] } })
        const open = await createBatch({ body: { operation: 'echo', open: true } })
        const id = open.data && 'batchId' in open.data ? open.data.batchId : ''
        const added = await appendItems({ path: { id }, body: new Blob([${JSON.stringify(ITEMS)}]) })
        const card = { title: 'a', body: 'b', category: 'c', privacy_level: 'd' }
        const cards = await importCards({ body: { cards: [card] } })
        const lines = await importCardsFile({ body: new Blob([${JSON.stringify(LINES)}]) })
        const csv = await importCardsFile({
          body: new Blob([${JSON.stringify(CSV)}]), query: { validate_only: 'true' }, headers: { 'Content-Type': 'text/csv' },
        })
        const file = await exportCards({ body: { format: 'csv' } })
        const answers = [made, open, added, cards, lines, csv, file]
        return {
          statuses: answers.map(({ response }) => response?.status),
          items: added.data?.added, totals: [cards.data?.total, lines.data?.total, csv.data?.total],
        }
      }`,
  },
  {
    name: 'orval',
    command: async (made) => {
      const output = { target: join(made, 'client.ts'), client: 'fetch', mode: 'single', baseUrl: server.url }
      const config = join(made, 'orval.config.mjs')
      await writeFile(
        config,
        `export default ${JSON.stringify({ millrace: { input: join(folder, 'openapi.json'), output } })}`,
      )
      await node(join(GENERATORS, 'orval', 'dist', 'bin', 'orval.mjs'), '--config', config)
    },
    program: `
      import { appendItems, createBatch, exportCards, importCards, importCardsFile } from './client'
      export async function use() {
        const made = await createBatch({ operation: 'echo', items: [{ value: 1 }] })
        const open = await createBatch({ operation: 'echo', open: true })
        const id = open.status === 202 ? open.data.batchId : ''
        const added = await appendItems(id, new Blob([${JSON.stringify(ITEMS)}]))
        const card = { title: 'a', body: 'b', category: 'c', privacy_level: 'd' }
        const json = { headers: { 'Content-Type': 'application/json' } }
        const cards = await importCards({ cards: [card] }, {}, json)
        const lines = await importCardsFile(new Blob([${JSON.stringify(LINES)}]))
        const ofCsv = { headers: { 'Content-Type': 'text/csv' } }
        const csv = await importCardsFile(new Blob([${JSON.stringify(CSV)}]), { validate_only: 'true' }, ofCsv)
        const file = await exportCards({ format: 'csv' })
        const total = (answer: typeof cards | typeof lines) => answer.status === 200 ? answer.data.total : null
        return {
          statuses: [made, open, added, cards, lines, csv, file].map(({ status }) => status),
          items: added.status === 200 ? added.data.added : null, totals: [cards, lines, csv].map(total),
        }
      }`,
  },
]

const CONFIG = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    target: 'ES2022',
    lib: ['ES2023', 'DOM', 'DOM.Iterable'],
    module: 'ESNext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
    types: [],
  },
  include: ['**/*.ts'],
}

describe('a client made by', () => {
  it.each(GENERATED)('$name compiles and calls', async ({ command, program }) => {
    const made = await mkdtemp(join(folder, 'client-'))
    await mkdir(made, { recursive: true })
    await command(made)
    await writeFile(join(made, 'use.ts'), program)
    await writeFile(join(made, 'tsconfig.json'), JSON.stringify(CONFIG))
    for (const typescript of [join(MODULES, 'typescript'), join(GENERATORS, 'typescript')]) {
      const checked = await node(join(typescript, 'bin', 'tsc'), '-p', made).catch((error: unknown) => error)
      expect(checked).toMatchObject({ stdout: '' })
    }
    const outfile = join(made, 'use.mjs')
    await build({
      entryPoints: [join(made, 'use.ts')],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      logLevel: 'silent',
    })
    const { use }: { use(url: string): Promise<unknown> } = await import(outfile)
    expect(await use(server.url)).toEqual({
      statuses: [202, 202, 200, 200, 200, 200, 200],
      items: 2,
      totals: [1, 1, 2],
    })
  })
})
