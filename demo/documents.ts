/**
 * The demo of documents: hands a PDF over, and a minute of speech where this machine recognises it, follows them over a WebSocket, asks questions, prints the
 * passages that answer, with page or second.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import PDFDocument from 'pdfkit'
import type { z } from 'zod'
import { createFfmpegDecoder } from '../src/drivers/decode-ffmpeg.ts'
import { isSpeechInstalled } from '../src/drivers/files-node.ts'
import { FollowMessage } from '../src/features/rag/follow-schemas.ts'
import { ProcessAccepted, SearchResults, Uploaded } from '../src/features/rag/schemas.ts'
import { describeTime } from '../src/features/rag/speech/remaining-time.ts'
import { ProcessingErrorBody } from '../src/http/response/error-bodies.ts'
import { DemoError } from './client.ts'

const FILENAME = 'harbour-handbook.pdf'
const QUESTION = 'Who may moor a boat overnight?'
/** A notice of the same harbour, said by flite's voice `rms` (free software of Carnegie Mellon University). */
const NOTICE = 'harbour-notice.ogg'
const SPOKEN_QUESTION = 'When does the fish market open?'
const API = '/api/public/bulk'

/** Pages of an invented handbook, each with its heading and its paragraphs. */
const PAGES: readonly (readonly [heading: string, ...paragraphs: string[]])[] = [
  [
    'Opening hours',
    'The harbour office is open from seven in the morning until eight in the evening, every day from April to October. In winter it opens at nine and closes at four.',
    'Outside these hours the night watch answers the radio on channel twelve. Calls that can wait are kept in a log and answered the next morning.',
  ],
  [
    'Berths and fees',
    'Visitors may stay overnight at the western pier when a green lamp shows that a berth is free. A stay costs two coins for every metre of the boat, paid at the office before noon.',
    'Members keep their own berths all year. Whoever leaves for longer than a week tells the office, so that the berth can be lent to guests.',
  ],
  [
    'Fuel and water',
    'Drinking water flows from the blue taps along the eastern quay. Diesel is sold at the pontoon beside the crane; petrol has to be fetched from the village in closed cans.',
    'Spilled fuel is reported at once. The office keeps mats that soak it up, and nobody is charged for using them.',
  ],
]

const say = (text: string) => console.log(text)

/** Makes the handbook. */
async function makePdf(): Promise<Uint8Array<ArrayBuffer>> {
  const document = new PDFDocument({ info: { Title: 'Handbook of a small harbour' } })
  const chunks: Buffer[] = []
  document.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise((resolve) => document.on('end', resolve))
  for (const [place, [heading, ...paragraphs]] of PAGES.entries()) {
    if (place > 0) document.addPage()
    document.font('Helvetica-Bold').fontSize(18).text(heading).moveDown()
    document.font('Helvetica').fontSize(12)
    for (const paragraph of paragraphs) document.text(paragraph).moveDown()
  }
  document.end()
  await ended
  return new Uint8Array(Buffer.concat(chunks))
}

async function call<T extends z.ZodType>(schema: T, url: URL, init: RequestInit): Promise<z.infer<T>> {
  const response = await fetch(url, init)
  const answer: unknown = await response.json()
  if (response.ok) return schema.parse(answer)
  throw new DemoError(
    `The server refused ${url.pathname} (${response.status}). ${ProcessingErrorBody.parse(answer).message}`,
  )
}

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
})

/** Follows a job to its end. @throws DemoError when it failed */
function follow(address: string): Promise<void> {
  const socket = new WebSocket(address)
  return new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      const message = FollowMessage.parse(JSON.parse(String(data)))
      if (message.type === 'error') return reject(new DemoError(message.message))
      say(`${String(message.progress).padStart(5)} %  ${message.stage}`)
      if (message.type === 'completed') resolve()
    }
    socket.onclose = ({ code }) => reject(new DemoError(`The WebSocket closed with ${code} before the job had ended.`))
  })
}

/** Asks a question and prints the passage that answers best, with its place. */
async function ask(base: string, question: string): Promise<void> {
  const query = json({ query: question, top_k: 1 })
  const { results } = await call(SearchResults, new URL(`${API}/search`, base), query)
  const [best] = results
  if (best === undefined) throw new DemoError('The search found nothing in the documents. Please report this.')
  const { title, page, start_seconds: seconds } = best.source
  const place = seconds === undefined ? `page ${page}` : `at ${describeTime(seconds)}`
  say(`\n${question}\n`)
  say(`  “${best.text.slice(best.highlight.start, best.highlight.end).trim()}”`)
  say(`  ${title}, ${place}\n`)
}

/**
 * The whole round on a server that answers.
 * @throws DemoError in a sentence that says what went wrong
 */
export async function runDocuments(base: string, folder: string): Promise<void> {
  const bytes = await makePdf()
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, FILENAME), bytes)
  const form = new FormData()
  form.append('files', new Blob([bytes], { type: 'application/pdf' }), FILENAME)
  const hearsSpeech = isSpeechInstalled() && (await createFfmpegDecoder({ program: 'ffmpeg' }).isAvailable())
  if (hearsSpeech) {
    const sound = await readFile(join(import.meta.dirname, NOTICE))
    form.append('files', new Blob([sound], { type: 'audio/ogg' }), NOTICE)
  }
  const { documents } = await call(Uploaded, new URL(`${API}/uploads`, base), { method: 'POST', body: form })
  const job = {
    job_id: `demo-${Date.now()}`,
    platform: 'documents',
    input_method: 'upload',
    selected_content: [],
    uploaded_documents: documents.map(({ id }) => ({ id })),
    embedding_model: { id: 'local' },
    vector_db: { id: 'builtin' },
    settings: {},
  }
  const spoken = hearsSpeech ? `, and ${NOTICE}, a minute of speech` : ''
  say(`\n${FILENAME}, ${PAGES.length} pages${spoken}, as job ${job.job_id}\n`)
  if (!hearsSpeech)
    say('(With ffmpeg, and "npm ci --ignore-scripts" in extras/speech, a minute of speech is searched as well.)\n')
  const { websocket_url } = await call(ProcessAccepted, new URL(`${API}/process`, base), json(job))
  await follow(websocket_url)
  await ask(base, QUESTION)
  if (hearsSpeech) await ask(base, SPOKEN_QUESTION)
  const body = JSON.stringify({ query: 'Where is drinking water?' })
  say(`The document is ${join(folder, FILENAME)}. Try next:\n`)
  say(`  curl -H 'Content-Type: application/json' -d '${body}' '${new URL(`${API}/search`, base)}'\n`)
}
