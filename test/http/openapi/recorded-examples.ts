/** The examples of answers that the document gives: answers of a real server, as they came. `RECORD=1` keeps those that a test saw. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Contract } from './contract.ts'

const FILE = join(import.meta.dirname, '..', '..', '..', 'src', 'http', 'openapi', 'examples.json')

/** Answers that are whatever they are: this document, a file. */
const NONE = new Set(['readOpenApi 200', 'readOwnOpenApi 200', 'downloadExport 200'])

/** Without what only was good where the answer came from, and what looks like a secret. */
function told(text: string): unknown {
  const masked = text
    .replace(/token=[\w.-]+/g, 'token=TOKEN')
    .replace(/whsec_[\w+/=]+/g, 'whsec_SECRET')
    .replace(/(http|ws):\/\/127\.0\.0\.1:\d+/g, '$1s://millrace.example.com')
  return masked.startsWith('{') ? JSON.parse(masked) : masked
}

/**
 * Names of the answers in JSON, and of streams, that a test saw and the document gives no example of.
 * @param own which of them are this test's to keep
 */
export async function withoutExample(contract: Contract, own: (name: string) => boolean): Promise<string[]> {
  const seen = [...contract.seen].filter(
    ([name, { headers, status }]) =>
      own(name) &&
      !NONE.has(name) &&
      status !== 206 &&
      /^(application\/json|text\/event-stream)/.test(headers.get('Content-Type') ?? ''),
  )
  const kept = await readKept()
  if (process.env.RECORD === '1') {
    for (const [name, { text }] of seen) kept[name] = told(text)
    for (const name of NONE) delete kept[name]
    const sorted = Object.fromEntries(Object.entries(kept).sort(([a], [b]) => (a < b ? -1 : 1)))
    await writeFile(FILE, `${JSON.stringify(sorted, null, 2)}\n`)
  }
  return seen.map(([name]) => name).filter((name) => !(name in kept))
}

const readKept = async () => z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(FILE, 'utf8')))

/** Names of all examples of answers. */
export const keptNames = async () => Object.keys(await readKept())
