/** Holds the tables of the reference pages to the code that they describe. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { BatchEvent } from '../../src/features/batches/follow-schemas.ts'
import { createOperations } from '../../src/operations.ts'

const operations = createOperations()

const Scripts = z.object({ scripts: z.record(z.string(), z.string()) })

const ROOT = join(import.meta.dirname, '../..')
const page = (name: string) => readFileSync(join(ROOT, name), 'utf8')
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'))

/** Rows of the table whose first cell is `heading`, by their first cell; code marks taken off. */
function table(text: string, heading: string): Map<string, string[]> {
  const [, after = ''] = text.split(new RegExp(`^\\| ${heading} \\|`, 'm'))
  const rows = /\n\|[ |-]+\|\n((?:\|.*\n)+)/.exec(after)?.[1]?.trim().split('\n') ?? []
  return new Map(
    rows.map((row) => {
      const [name = '', ...cells] = row.split(' | ').map((cell) => cell.replace(/^\| |`| \|$/g, ''))
      return [name, cells]
    }),
  )
}

/** Names of sections as links to them have them. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  )
}

it('docs/operations.md lists every operation with its limits', () => {
  const rows = table(page('docs/operations.md'), 'operation')
  const listed = [...rows].map(([name, cells]) => ({
    name,
    concurrency: cells[2] === 'all' ? null : Number(cells[2]),
    maxAttempts: Number(cells[3]),
  }))
  const real = Object.values(operations).map(({ name, concurrency, maxAttempts }) => ({
    name,
    concurrency,
    maxAttempts,
  }))
  const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name)
  expect(listed.toSorted(byName)).toEqual(real.toSorted(byName))
})

describe('docs/events.md', () => {
  const rows = table(page('docs/events.md'), 'event')
  it.each(BatchEvent.options.map((option) => [option.shape.type.value, Object.keys(option.shape)] as const))(
    'lists every field of %s',
    (type, fields) => {
      const cells = rows.get(type)?.join(' ') ?? ''
      const own = fields.filter((field) => !['type', 'batchId', 'at'].includes(field))
      expect(own.filter((field) => !new RegExp(`\\b${field}\\b`).test(cells))).toEqual([])
    },
  )
})

it.each(PAGES)('%s links to pages and sections that are there', (name) => {
  const broken = [...page(name).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].filter(
    ([, path = '', anchor]) => {
      const target = path === '' ? name : normalize(join(dirname(name), path))
      try {
        return anchor !== undefined && !anchors(page(target)).includes(anchor)
      } catch {
        return true
      }
    },
  )
  expect(broken.map(([link]) => link)).toEqual([])
})

it.each(PAGES)('%s names files and scripts of the repository that are there', (name) => {
  const { scripts } = Scripts.parse(JSON.parse(page('package.json')))
  const files = [...page(name).matchAll(/`((?:src|test|demo|bench|scripts|drizzle)\/[\w./-]+\.\w+)`/g)].map(
    ([, path = '']) => path,
  )
  const commands = [...page(name).matchAll(/\bnpm run ([\w:-]+)/g)].map(([, script = '']) => script)
  expect(files.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  expect(commands.filter((script) => !(script in scripts))).toEqual([])
})
