/** Receives an Excel workbook: stores it, converts its first sheet to a stored CSV, and deletes the workbook. */

import { newUploadKey } from '../../../engine/uploads.ts'
import { invalidRequest, MillraceError } from '../../../errors.ts'
import { RecordScanner } from '../../../formats/record-scanner.ts'
import { streamOf } from '../../../formats/streams.ts'
import type { ZipSource } from '../../../formats/zip-archive.ts'
import type { BlobStore, Compute } from '../../../ports.ts'
import type { ColumnMap } from './columns.ts'
import type { CsvIntake, Intake } from './intake.ts'
import { readWorkbook, type WorkbookFacts } from './read-workbook.ts'
import { SLICE, storeBody } from './store-body.ts'
import { Facts } from './workbook-task.ts'

/** Options for receiving a workbook. */
interface WorkbookOptions {
  readonly mostCards: number
  readonly columns: ColumnMap
  readonly compute: Compute
  readonly owner: string
  readonly signal: AbortSignal
}

/** Directory entry, in UTF-16, of an Excel 97 file that contains an encrypted workbook. */
const ENCRYPTED = Array.from('EncryptedPackage', (letter) => `${letter}\0`).join('')
/** Leading bytes of such a file that are searched for its directory. */
const MAX_DIRECTORY_BYTES = 1024 * 1024

/**
 * Receives a workbook. Reading it waits for a slot of Compute, as all work on documents does.
 * @throws MillraceError INVALID_REQUEST for a damaged workbook, or one without a header or with too many cards; TOO_LARGE
 */
export async function storeWorkbook(
  body: AsyncGenerator<Uint8Array>,
  blobs: BlobStore,
  options: WorkbookOptions,
): Promise<Intake> {
  const key = newUploadKey()
  const { size } = await blobs.put(key, streamOf(body))
  const source: ZipSource = {
    size,
    async read(offset, length) {
      const bytes = await blobs.get(key, { offset, length })
      if (bytes === null) throw new MillraceError('SERVICE_UNAVAILABLE', 'The workbook is gone. Send it again.')
      return bytes
    },
  }
  try {
    const { compute, owner, signal } = options
    return await compute.withSlot(() => storeSheet(source, blobs, options), { owner, signal })
  } finally {
    await blobs.delete([key])
  }
}

async function storeSheet(source: ZipSource, blobs: BlobStore, options: WorkbookOptions): Promise<Intake> {
  // Without a process for tasks, the workbook is read from the store piece by piece, under the backpressure of storing the CSV.
  const isInPlace = options.compute.sharesServerMemory === true
  const csv = isInPlace ? readWorkbook(source, options.columns) : readApart(source, options)
  const found: { facts?: WorkbookFacts } = {}
  async function* body() {
    found.facts = yield* csv
  }
  const scanner = new RecordScanner('csv', SLICE, true)
  const mostCards = () => options.mostCards
  const { upload } = await storeBody(body(), blobs, { scanner, mostCards, filename: 'cards.csv' })
  const { slices, records: totalCards, emptyRows } = scanner
  const { header, sheet, warnings } = found.facts ?? { header: { fields: [], printed: [] }, sheet: '', warnings: [] }
  const read: CsvIntake = {
    header: header.fields,
    printedHeader: header.printed,
    separator: ',',
    encoding: 'utf-8',
    csv: { detected: false, emptyRows, warnings: [...warnings] },
    sheet,
  }
  return { upload, form: 'csv', csv: read, slices, totalCards, around: undefined, identity: upload.sha256 }
}

/** Reads a workbook by a task of Compute. */
async function* readApart(
  source: ZipSource,
  { compute, columns, owner, signal }: WorkbookOptions,
): AsyncGenerator<Uint8Array, WorkbookFacts> {
  const bytes = new Uint8Array(await new Response(await source.read(0, source.size)).arrayBuffer())
  const stopped = new AbortController()
  const found: { facts?: WorkbookFacts } = {}
  const csv = new ReadableStream<Uint8Array>({
    start(controller) {
      compute
        .run(
          'cards.read-workbook',
          { bytes, columns: [...columns] },
          {
            owner,
            signal: AbortSignal.any([signal, stopped.signal]),
            transfer: [bytes.buffer],
            onProgress: (value) => {
              if (value instanceof Uint8Array && !stopped.signal.aborted) controller.enqueue(value)
            },
          },
        )
        .then((facts) => {
          found.facts = Facts.parse(facts)
          controller.close()
        })
        .catch((error: unknown) => controller.error(error))
    },
  })
  try {
    for await (const chunk of csv) yield chunk
  } finally {
    stopped.abort()
  }
  if (found.facts === undefined) throw new MillraceError('UNKNOWN', 'The reader of workbooks gave nothing.')
  return found.facts
}

/**
 * Refuses an Excel 97 file.
 * @throws MillraceError INVALID_REQUEST for an encrypted workbook, which such a file contains, else UNSUPPORTED_MEDIA_TYPE
 */
export async function refuseOldExcel(body: AsyncGenerator<Uint8Array>): Promise<never> {
  let seen = ''
  let size = 0
  for await (const chunk of body) {
    const text = new TextDecoder('latin1').decode(chunk)
    if ((seen + text).includes(ENCRYPTED)) {
      throw invalidRequest('body', 'The workbook is encrypted. Save it without a password, and send that.')
    }
    seen = text.slice(-ENCRYPTED.length)
    size += chunk.byteLength
    if (size > MAX_DIRECTORY_BYTES) break
  }
  throw new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    'The body is a file of Excel 97 (XLS), which is not read. Save it as XLSX or CSV, and send that.',
  )
}
