/** Recordings handed over, transcribed by a service, and found by what is said in them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { ServiceAnswer } from '../../../support/json-service.ts'
import { ON_CLOUDFLARE, startServer, type TestServer } from '../../../support/server.ts'
import { contractClient } from '../contract-client.ts'
import { startSpeechService, type TranscriptionRequest } from './speech-service.ts'

const API = '/api/public/bulk'
const KEY = 'sk-of-the-operator'

/** A segment as Whisper gives it. */
const segment = (start: number, end: number, text: string, more: object = {}) => ({
  id: 0,
  seek: 0,
  start,
  end,
  text,
  avg_logprob: -0.2,
  no_speech_prob: 0.01,
  ...more,
})

const SPOKEN = {
  task: 'transcribe',
  language: 'english',
  duration: 12,
  text: 'The ferry leaves at noon. Bring a coat.',
  segments: [
    segment(0, 1, ' Thanks for watching!', { no_speech_prob: 0.9, avg_logprob: -1.4 }),
    segment(1.5, 4, ' The ferry leaves at noon.'),
    segment(9, 12, ' Bring a coat.'),
  ],
}

/** Answers by the name of the recording. */
function answer({ filename }: TranscriptionRequest, earlier: number): ServiceAnswer {
  const error = (message: string) => ({ error: { message, type: 'error', param: null, code: null } })
  switch (filename) {
    case 'busy.wav':
      return earlier === 0
        ? { status: 429, headers: { 'Retry-After': '1' }, body: error('Rate limit reached') }
        : { body: SPOKEN }
    case 'refused.wav':
      return { status: 401, body: error('Incorrect API key provided') }
    case 'garbled.wav':
      return { status: 400, body: error('Invalid file format.') }
    case 'timeless.wav':
      return { body: { text: 'Words without times.' } }
    case 'silent.wav':
      return { body: { ...SPOKEN, text: '', segments: [] } }
    default:
      return { body: SPOKEN }
  }
}

/** A tenth of a second of silence, as a WAV file that no other has the bytes of. */
function wav(name: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(44 + 3_200)
  const view = new DataView(bytes.buffer)
  const text = (at: number, letters: string) => bytes.set(new TextEncoder().encode(letters), at)
  text(0, 'RIFF')
  view.setUint32(4, bytes.length - 8, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, 16_000, true)
  view.setUint32(28, 32_000, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  text(36, 'data')
  view.setUint32(40, 3_200, true)
  text(44, name)
  return bytes
}

let service: Awaited<ReturnType<typeof startSpeechService>>
let server: TestServer
beforeAll(async () => {
  service = await startSpeechService(answer)
  server = await startServer({
    env: { TRANSCRIBE_BASE_URL: service.baseUrl, TRANSCRIBE_API_KEY: KEY, TRANSCRIBE_MODEL: 'whisper-large-v3' },
  })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  service[Symbol.dispose]()
})

const Uploaded = z.object({ documents: z.array(z.object({ id: z.string() })) })

async function upload(bytes: Uint8Array<ArrayBuffer>, filename: string) {
  const form = new FormData()
  form.append('files', new File([bytes], filename, { type: 'audio/wav' }))
  return Uploaded.parse(await (await server.fetch(`${API}/uploads`, { method: 'POST', body: form })).json()).documents
}

/** Uploads a recording, processes it and follows that to its last message. */
async function process(filename: string, more: object = {}): Promise<Record<string, unknown>> {
  const documents = await upload(wav(filename), filename)
  const client = contractClient(server.url, 'YOUR_API_KEY')
  await client.startProcessing({
    job_id: filename,
    platform: 'documents',
    input_method: 'upload',
    selected_content: [],
    uploaded_documents: documents,
    embedding_model: { id: 'local' },
    vector_db: { id: 'builtin' },
    settings: {},
    collection: filename,
    ...more,
  })
  const messages: Record<string, unknown>[] = []
  const socket = client.connectToProgress(filename, (message) => messages.push(message))
  await new Promise((resolve) => {
    socket.onclose = resolve
  })
  return messages.at(-1) ?? {}
}

async function search(query: string, collection: string): Promise<unknown> {
  const body = JSON.stringify({ query, collection })
  const headers = { 'Content-Type': 'application/json' }
  return (await server.fetch(`${API}/search`, { method: 'POST', headers, body })).json()
}

describe('A recording', () => {
  it('is sent to the service as it is, and found by what is said in it, at its second', async () => {
    expect(await process('talk.wav')).toMatchObject({ type: 'completed', result: { completed_items: 1 } })
    const [request] = service.requests.filter(({ filename }) => filename === 'talk.wav')
    expect(request).toMatchObject({
      authorization: `Bearer ${KEY}`,
      fields: {
        model: 'whisper-large-v3',
        response_format: 'verbose_json',
        'timestamp_granularities[]': 'segment',
      },
    })
    expect(request?.bytes).toEqual(wav('talk.wav'))
    expect(await search('When does the boat sail?', 'talk.wav')).toMatchObject({
      results: [
        {
          text: expect.stringContaining('The ferry leaves at noon.'),
          source: { title: 'talk.wav', start_seconds: 1.5 },
        },
      ],
    })
    const listed = await (await server.fetch(`${API}/documents?collection=talk.wav`)).json()
    const [{ id, language }] = z
      .object({ documents: z.tuple([z.object({ id: z.string(), language: z.string() })]) })
      .parse(listed).documents
    expect(language).toBe('en')
    const transcript = await server.fetch(`${API}/documents/${id}/transcript?format=srt`)
    // Without what Whisper makes of silence.
    expect(await transcript.text()).toBe(
      '1\n00:00:01,500 --> 00:00:04,000\nThe ferry leaves at noon.\n\n2\n00:00:09,000 --> 00:00:12,000\nBring a coat.\n',
    )
  })

  it('goes with the language that the request names', async () => {
    expect(await process('german.wav', { language: 'de-AT' })).toMatchObject({ type: 'completed' })
    const [request] = service.requests.filter(({ filename }) => filename === 'german.wav')
    expect(request?.fields).toMatchObject({ language: 'de' })
  })

  it.runIf(ON_CLOUDFLARE)('of more than 25 MB is refused before there is a job, with the limit', async () => {
    const documents = await upload(new Uint8Array(26 * 1024 * 1024), 'large.wav')
    const body = JSON.stringify({
      job_id: 'large',
      platform: 'documents',
      input_method: 'upload',
      selected_content: [],
      uploaded_documents: documents,
      embedding_model: { id: 'local' },
      vector_db: { id: 'builtin' },
      settings: {},
    })
    const headers = { 'Content-Type': 'application/json' }
    const answer = await server.fetch(`${API}/process`, { method: 'POST', headers, body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      details: { field: 'uploaded_documents.0.id', issue: expect.stringContaining('at most 25 MB here') },
    })
  })

  it('is tried again when the service asks for a pause', async () => {
    expect(await process('busy.wav')).toMatchObject({ type: 'completed', result: { completed_items: 1 } })
    expect(service.requests.filter(({ filename }) => filename === 'busy.wav')).toHaveLength(2)
  })

  it.each([
    ['refused.wav', 'service_unavailable', /refuses the key of this server \(TRANSCRIBE_API_KEY\): Incorrect/],
    ['garbled.wav', 'unreadable_document', /can't read this recording: 400: Invalid file format\./],
    ['timeless.wav', 'service_unavailable', /answers without segments.*TRANSCRIBE_MODEL/],
    ['silent.wav', 'no_text', /No words were recognised/],
  ])('%s fails at once, as %s, in words', async (filename, error, message) => {
    const last = await process(filename)
    expect(last).toMatchObject({ type: 'error', status: 'failed', message: expect.stringMatching(message) })
    expect(JSON.stringify(last)).not.toContain(KEY)
    expect(service.requests.filter((request) => request.filename === filename)).toHaveLength(1)
    const status = await (await server.fetch(`${API}/job/${filename}/status`)).json()
    expect(status).toMatchObject({ result: { errors: [{ item: filename, error }] } })
  })
})
