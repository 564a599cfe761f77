/** Holds SECURITY.md and docs/architecture.md to what they say: every promise names tests that are there. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const IS_TEST = /^test\/(?:[\w-]+\/)*[\w.-]+\.test\.ts$|^test\/hostile\/points\/[\w-]+\.ts$/

/** The rows of the tables of promises: what is promised, and the files named beside it. */
function promises(markdown: string): { promise: string; files: string[] }[] {
  const rows = markdown.split('\n').filter((line) => line.startsWith('| ') && !/^\| (promise|---)/.test(line))
  return rows.map((row) => {
    const [promise = '', held = ''] = row.slice(2).split(' | ')
    return { promise, files: [...held.matchAll(/`([^`]+)`/g)].map(([, file]) => file ?? '') }
  })
}

/** What is wrong with the promises, a sentence each. */
function faults(markdown: string, exists: (file: string) => boolean): string[] {
  return promises(markdown).flatMap(({ promise, files }) => [
    ...(files.length === 0 ? [`no test is named: ${promise}`] : []),
    ...files.filter((file) => !IS_TEST.test(file)).map((file) => `${file} is no test`),
    ...files.filter((file) => !exists(file)).map((file) => `${file} does not exist`),
  ])
}

it('names an existing test for every promise', () => {
  const markdown = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')
  expect(promises(markdown).length).toBeGreaterThan(20)
  expect(faults(markdown, (file) => existsSync(join(ROOT, file)))).toEqual([])
})

it('names existing tests in the architecture document', () => {
  const markdown = readFileSync(join(ROOT, 'docs', 'architecture.md'), 'utf8')
  const named = [...markdown.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file ?? '')
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
})

it.each([
  ['a promise without a test', '| All is well. | we hope |'],
  ['a test that is gone', '| All is well. | `test/gone.test.ts` |'],
  ['a file that is no test', '| All is well. | `src/node.ts` |'],
])('would catch %s', (_, row) => {
  const found = faults(`| promise | held by |\n| --- | --- |\n${row}`, (file) => file !== 'test/gone.test.ts')
  expect(found).toHaveLength(1)
})

it('has every module of hostile probes among them', () => {
  const markdown = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')
  const modules = readFileSync(join(ROOT, 'test/hostile/points.ts'), 'utf8').matchAll(/'\.\/points\/([\w-]+\.ts)'/g)
  const missing = [...modules].map(([, name]) => name ?? '').filter((name) => !markdown.includes(`points/${name}`))
  expect(missing).toEqual([])
})
