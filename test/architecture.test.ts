/** Holds the house to its floors: a file imports only from lower floors, and never sideways between rooms of one floor. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', 'src')

/** Floor of each room: a folder, or a file that is a room of its own. */
const FLOORS: Record<string, number> = {
  'backoff.ts': 0,
  'errors.ts': 0,
  'lossless-json.ts': 0,
  'scopes.ts': 0,
  'rate-classes.ts': 0,
  'version.ts': 0,
  'vector-settings.ts': 0,
  'language-model.ts': 0.5,
  'ports.ts': 1,
  'speech-ports.ts': 1,
  'media-ports.ts': 1,
  'chunk-source.ts': 1.25,
  'operation.ts': 1.25,
  'fair-semaphore.ts': 1,
  'storage-errors.ts': 1,
  'config.ts': 1,
  schema: 1,
  formats: 1,
  client: 1,
  // Events are written by the engine and shown by `live`, which do not know each other.
  'events.ts': 1.5,
  engine: 2,
  live: 2,
  rows: 2,
  drivers: 2,
  http: 3,
  features: 4,
  custom: 4,
  'operations.ts': 5,
  'compute-tasks.ts': 5,
  'surfaces.ts': 5,
  'settings.ts': 5,
  'scheduler.ts': 6,
  'app.ts': 6,
  'commands.ts': 6,
  'in-process.ts': 6,
  'node-commands.ts': 7,
  'node-tasks.ts': 7,
  'node-server.ts': 7,
  'node-embed.ts': 8,
  'node.ts': 8,
  react: 1,
  'index.ts': 9,
  'index-worker.ts': 9,
  'index-cloudflare.ts': 9,
  'cloudflare-ports.ts': 6,
  'cloudflare-work.ts': 7,
  'cloudflare.ts': 8,
}
/** What is sent to browsers. */
const FOR_PAGES = new Set(['client', 'react'])
const REACHES_PAGES = (file: string) => FOR_PAGES.has(room(file)) || file === 'backoff.ts'
/** What may name a runtime: drivers and the two entries with their parts. */
const NAMES_A_RUNTIME = (file: string) =>
  file.startsWith('drivers/') || /^(node(-\w+)?|cloudflare(-\w+)?)\.ts$/.test(file)

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return files(path)
    return path.endsWith('.ts') ? [relative(ROOT, path)] : []
  })
}

const room = (file: string) => file.split('/')[0] ?? file
const feature = (file: string) => file.split('/')[1] ?? file

/** Every module that a source names, type imports and dynamic imports included. */
function imports(text: string): string[] {
  return [...text.matchAll(/(?<!['/])(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
}

/** What a client's source takes from elsewhere: it is sent to browsers, so it may know types of the features' schemas and nothing else. */
function beyondSchemas(file: string, text: string): string[] {
  const values = text.replace(
    /^(?:import|export) type [\w\s{},*]*? from '(?:\.\.\/)+(?:features\/[\w-]+\/(?:[\w-]+-)?schemas|http\/response\/error-bodies)\.ts'/gm,
    '',
  )
  return imports(values)
    .filter((name) => !(room(file) === 'react' && name === 'react'))
    .filter((name) => !name.startsWith('.') || !REACHES_PAGES(join(dirname(file), name)))
    .map((name) => `${file} takes ${name} along`)
}

/** Routes have their requests checked by their descriptions (`http/routes.ts`); one that checks its body by itself would not be in the document. */
const CHECKS_BY_ITSELF = /(?:^|\/)(?:[\w-]+-)?routes\.ts$/

/** What a set of sources does against the rules, one sentence each. */
function violations(sources: Record<string, string>): string[] {
  const graph = new Map<string, string[]>()
  const found: string[] = []
  for (const [file, text] of Object.entries(sources)) {
    const floor = FLOORS[room(file)]
    if (floor === undefined) found.push(`${file} is in no room of the house`)
    if (FOR_PAGES.has(room(file))) found.push(...beyondSchemas(file, text))
    for (const name of imports(text)) {
      if (/^(node|cloudflare):/.test(name) && !NAMES_A_RUNTIME(file)) found.push(`${file} names a runtime: ${name}`)
      if (
        CHECKS_BY_ITSELF.test(file) &&
        /\/request\/(?:safe-parse|json-body)\.ts$/.test(name) &&
        file !== 'http/routes.ts'
      ) {
        found.push(`${file} checks a request by itself: ${name}`)
      }
      if (!name.startsWith('.')) continue
      const target = join(dirname(file), name)
      graph.set(file, [...(graph.get(file) ?? []), target])
      const below = FLOORS[room(target)]
      if (FOR_PAGES.has(room(file))) continue
      if (room(file) === 'features' && room(target) === 'features') {
        if (feature(target) !== feature(file)) found.push(`${file} imports another feature: ${target}`)
        continue
      }
      if (room(target) === room(file)) continue
      if (floor !== undefined && (below === undefined || below >= floor)) found.push(`${file} imports ${target}`)
    }
  }
  return [...found, ...cycles(graph)]
}

function cycles(graph: Map<string, string[]>): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) found.push(`a circle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`)
    if (done.has(file) || path.includes(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

describe('the floors', () => {
  it('are kept by every source file', () => {
    const sources = Object.fromEntries(files(ROOT).map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]))
    expect(Object.keys(sources).length).toBeGreaterThan(20)
    expect(violations(sources)).toEqual([])
  })

  it.each([
    ['an import from a higher floor', { 'engine/a.ts': "import { x } from '../http/b.ts'" }],
    ['a type import sideways', { 'engine/a.ts': "import type { X } from '../live/b.ts'" }],
    ['a dynamic import from a higher floor', { 'formats/a.ts': "await import('../engine/b.ts')" }],
    ['a runtime outside the drivers', { 'engine/a.ts': "import { join } from 'node:path'" }],
    ['a file in no room', { 'helpers/a.ts': '' }],
    [
      'a value of a schema in the client',
      { 'client/a.ts': "import { BatchEvent } from '../features/batches/schemas.ts'" },
    ],
    [
      'a type among values of a schema',
      { 'client/a.ts': "import { type BatchEvent } from '../features/batches/schemas.ts'" },
    ],
    ['a package in the client', { 'client/a.ts': "import { z } from 'zod'" }],
    ['another room in the client, be it a type', { 'client/a.ts': "import type { X } from '../errors.ts'" }],
    ['a feature that imports another', { 'features/a/b.ts': "import type { X } from '../c/d.ts'" }],
    [
      'a route that parses its body',
      { 'features/a/b-routes.ts': "import { safeParse } from '../../http/request/safe-parse.ts'" },
    ],
    ['a circle inside a room', { 'live/a.ts': "import './b.ts'", 'live/b.ts': "import './a.ts'" }],
  ])('would catch %s', (_, sources) => {
    expect(violations(sources)).toHaveLength(1)
  })
})
