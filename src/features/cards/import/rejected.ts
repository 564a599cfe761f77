/** Writes all cards that an import rejected as a CSV: the row of each, the reason, and the data that was sent. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { yieldToEventLoop } from '../../../engine/chunked-work.ts'
import { encodeCell } from '../../../formats/csv.ts'
import { readElements } from '../../../formats/json-array-scanner.ts'
import type { BlobStore, Database } from '../../../ports.ts'
import type { ImportError } from '../schemas.ts'
import { DUPLICATE } from './kept-errors.ts'
import { columnFields, fieldsOf, type ReadCard, readCards, readTexts } from './read-cards.ts'
import { ImportSliceInput, ImportTask } from './task.ts'

/** Slices that one query looks up; each is read from the stored body by itself. */
const SLICES_A_READ = 20

const Kept = z.array(z.object({ index: z.int().optional(), error: z.string().optional() }))

/** A slice with rejected cards. */
interface RejectedSlice {
  readonly sequence: number
  readonly input: z.infer<typeof ImportSliceInput>
  /** Reason why none of its cards was imported; null where cards were rejected one by one. */
  readonly lost: string | null
  /** Indexes of duplicates. */
  readonly duplicates: ReadonlySet<number>
}

/** Formats a record of the file. */
const recordOf = (row: number, reason: string, fields: readonly string[]) =>
  `${[String(row), reason, ...fields].map(encodeCell).join(',')}\r\n`

/**
 * Writes the file, a slice at a time: of a CSV or a sheet `row`, `error` and its own columns, of other bodies `row` (from 1), `error` and the record.
 * @param batchId of an import
 */
export async function* rejectedCards(
  deps: { readonly db: Database; readonly blobs: BlobStore },
  batchId: string,
): AsyncGenerator<Uint8Array> {
  const utf8 = new TextEncoder()
  const [batch] = await deps.db.all<{ input: string }>(sql`SELECT input FROM batches WHERE id = ${batchId}`)
  const task = ImportTask.parse(JSON.parse(batch?.input ?? 'null'))
  const columns = task.form === 'csv' ? task.printedHeader : ['record']
  yield utf8.encode(`row,error,${columns.map(encodeCell).join(',')}\r\n`)
  for await (const slice of rejectedSlices(deps.db, batchId)) {
    const { offset, length, oversize } = slice.input
    const stream = oversize ? null : await deps.blobs.get(task.key, { offset, length })
    const bytes = stream === null ? null : new Uint8Array(await new Response(stream).arrayBuffer())
    yield utf8.encode(await recordsOf(task, slice, bytes))
  }
}

async function* rejectedSlices(db: Database, batchId: string): AsyncGenerator<RejectedSlice> {
  for (let after = 0; ; ) {
    const rows = await db.all<{ sequence: number; input: string; lost: string | null; errors: string | null }>(sql`
      SELECT j.sequence, j.input, iif(j.status IN ('failed', 'cancelled'), coalesce(j.error_message, ''), NULL) AS lost, s.errors
      FROM jobs j LEFT JOIN card_slices s ON s.batch_id = j.batch_id AND s.sequence = j.sequence
      WHERE j.batch_id = ${batchId} AND j.sequence > ${after} AND (s.counts ->> 'failed' > 0 OR j.status IN ('failed', 'cancelled'))
      ORDER BY j.sequence LIMIT ${SLICES_A_READ}`)
    for (const { sequence, input, lost, errors } of rows) {
      const kept = Kept.parse(JSON.parse(errors ?? '[]'))
      const duplicates = new Set(kept.flatMap(({ index, error }) => (error === DUPLICATE ? (index ?? []) : [])))
      yield { sequence, input: ImportSliceInput.parse(JSON.parse(input)), lost, duplicates }
      after = sequence
    }
    if (rows.length < SLICES_A_READ) return
  }
}

/** Formats the rejected records of a slice; where its body was deleted or is too large to be read, only what its row stores. */
async function recordsOf(
  task: ImportTask,
  { input, lost, duplicates }: RejectedSlice,
  bytes: Uint8Array | null,
): Promise<string> {
  const { first, row = 1 } = input
  if (bytes === null) {
    const reason = lost ?? 'The card is too large, or is no longer kept'
    return recordOf(task.form === 'csv' ? row : first + 1, reason, [])
  }
  const texts = textsOf(task, bytes)
  let index = first
  let text = ''
  for (const found of readCards(task, bytes, row)) {
    if (found === null) {
      await yieldToEventLoop()
      continue
    }
    const sent = texts.next().value ?? null
    const reason = reasonOf(found, lost, duplicates.has(index))
    if (reason !== null) text += recordOf(found.row ?? index + 1, reason, fieldsSent(task, sent))
    index++
  }
  return text
}

function reasonOf(found: ReadCard, lost: string | null, isDuplicate: boolean): ImportError['error'] | null {
  if ('isHeader' in found) return null
  if ('error' in found) return found.error
  return lost ?? (isDuplicate ? DUPLICATE : null)
}

/** Reads the records as they were sent; null for one that is not valid text. */
function* textsOf(task: ImportTask, bytes: Uint8Array): Generator<string | null> {
  if (task.form === 'json') for (const value of readElements(bytes)) yield JSON.stringify(value)
  else for (const { text } of readTexts(task, bytes)) yield text
}

// The lookbehind prevents quadratic backtracking: a long run within the text is tried only at its beginning.
const LINE_ENDS = /(?<![\r\n])[\r\n]+$/

/** Parses the fields of a record as they were sent; the whole record where they can't be parsed. */
function fieldsSent(task: ImportTask, sent: string | null): readonly string[] {
  if (sent === null) return []
  if (task.form !== 'csv') return [sent]
  const fields = fieldsOf(sent, task.separator)
  return typeof fields === 'string' ? [sent.replace(LINE_ENDS, '')] : columnFields(fields, task)
}
