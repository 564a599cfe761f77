/** Holds the house to its floors: a file imports only from lower floors, and never sideways between rooms of one floor. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', 'src')

/** Floor of each room: a folder, or a file that is a room of its own. */
const FLOORS: Record<string, number> = {
  'errors.ts': 0,
  wire: 0,
  'ports.ts': 1,
  'config.ts': 1,
  schema: 1,
  formats: 1,
  client: 1,
  engine: 2,
  live: 2,
  reads: 2,
  operations: 2,
  drivers: 2,
  http: 3,
  routes: 4,
  'app.ts': 5,
  'commands.ts': 5,
  'node.ts': 6,
  'worker.ts': 6,
}
/** What may name a runtime: drivers and the two entries. */
const NAMES_A_RUNTIME = (file: string) => file.startsWith('drivers/') || file === 'node.ts' || file === 'worker.ts'

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return files(path)
    return path.endsWith('.ts') ? [relative(ROOT, path)] : []
  })
}

const room = (file: string) => file.split('/')[0] ?? file

/** Every module that a source names, type imports and dynamic imports included. */
function imports(text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
}

/** What a client's source takes from elsewhere: it is sent to browsers, so it may know the wire's types and nothing else. */
function beyondTheWire(file: string, text: string): string[] {
  const values = text.replace(/^(?:import|export) type [\w\s{},*]*? from '(?:\.\.\/)+wire\/[^']+'/gm, '')
  return imports(values)
    .filter((name) => !name.startsWith('.') || room(join(dirname(file), name)) !== 'client')
    .map((name) => `${file} takes ${name} along`)
}

/** What a set of sources does against the rules, one sentence each. */
function violations(sources: Record<string, string>): string[] {
  const graph = new Map<string, string[]>()
  const found: string[] = []
  for (const [file, text] of Object.entries(sources)) {
    const floor = FLOORS[room(file)]
    if (floor === undefined) found.push(`${file} is in no room of the house`)
    if (room(file) === 'client') found.push(...beyondTheWire(file, text))
    for (const name of imports(text)) {
      if (/^(node|cloudflare):/.test(name) && !NAMES_A_RUNTIME(file)) found.push(`${file} names a runtime: ${name}`)
      if (!name.startsWith('.')) continue
      const target = join(dirname(file), name)
      graph.set(file, [...(graph.get(file) ?? []), target])
      const below = FLOORS[room(target)]
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
    ['a value of the wire in the client', { 'client/a.ts': "import { BatchEvent } from '../wire/batch.ts'" }],
    ['a type among values of the wire', { 'client/a.ts': "import { type BatchEvent } from '../wire/batch.ts'" }],
    ['a package in the client', { 'client/a.ts': "import { z } from 'zod'" }],
    ['another room in the client, be it a type', { 'client/a.ts': "import type { X } from '../errors.ts'" }],
    ['a circle inside a room', { 'live/a.ts': "import './b.ts'", 'live/b.ts': "import './a.ts'" }],
  ])('would catch %s', (_, sources) => {
    expect(violations(sources)).toHaveLength(1)
  })

  it('keeps operations apart from each other', () => {
    const operations = files(ROOT).filter((file) => file.startsWith('operations/'))
    const kind = (file: string) => file.split('/')[1] ?? ''
    const crossing = operations.flatMap((file) =>
      kind(file) === 'index.ts' || kind(file) === 'compute-tasks.ts'
        ? []
        : imports(readFileSync(join(ROOT, file), 'utf8'))
            .filter((name) => name.startsWith('.'))
            .map((name) => join(dirname(file), name))
            .filter((target) => target.startsWith('operations/') && kind(target) !== kind(file))
            .map((target) => `${file} imports ${target}`),
    )
    expect(crossing).toEqual([])
  })
})
