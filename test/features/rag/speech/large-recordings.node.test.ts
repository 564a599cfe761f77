/** Recordings larger than a service takes are cut into parts, each sent and tried by itself. */
import { openAsBlob } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { ServiceAnswer } from '../../../support/json-service.ts'
import { startServer, type TestServer } from '../../../support/server.ts'
import { contractClient } from '../contract-client.ts'
import { startSpeechService } from '../transcript/speech-service.ts'
import { FFMPEG, makeTone } from './ffmpeg.ts'

const API = '/api/public/bulk'
const MB = 1024 * 1024
/** Length of the recording: 27.5 MB of WAV. */
const SECONDS = 900
const RATE = 16_000

let folder: string
let recording: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-large-'))
  recording = join(folder, 'long.wav')
  if (FFMPEG !== null) await makeTone(recording, SECONDS)
})
afterAll(() => rm(folder, { recursive: true }))

/** Answers to the parts, in the order in which they come. */
let answers: ((part: number) => ServiceAnswer | Promise<ServiceAnswer>)[] = []
let service: Awaited<ReturnType<typeof startSpeechService>>
beforeEach(async () => {
  answers = []
  service = await startSpeechService((_, earlier) => (answers[earlier] ?? spoken)(earlier))
})
afterEach(() => service[Symbol.dispose]())

const spoken = (part: number): ServiceAnswer => ({
  body: {
    language: 'english',
    segments: [{ start: 1, end: 3, text: ` This is part ${part}.`, no_speech_prob: 0, avg_logprob: -0.1 }],
  },
})
const busy = (): ServiceAnswer => ({
  status: 429,
  headers: { 'Retry-After': '1' },
  body: { error: 'Too many requests' },
})

const start = (env: Readonly<Record<string, string>> = {}) =>
  startServer({ env: { TRANSCRIBE_BASE_URL: service.baseUrl, ...env } })

const Uploaded = z.object({ documents: z.array(z.object({ id: z.string() })) })

async function upload(server: TestServer): Promise<readonly { id: string }[]> {
  const form = new FormData()
  form.append('files', new File([await openAsBlob(recording)], 'long.wav', { type: 'audio/wav' }))
  return Uploaded.parse(await (await server.fetch(`${API}/uploads`, { method: 'POST', body: form })).json()).documents
}

const request = (documents: readonly { id: string }[]) => ({
  job_id: 'long',
  platform: 'documents',
  input_method: 'upload',
  selected_content: [],
  uploaded_documents: documents,
  embedding_model: { id: 'local' },
  vector_db: { id: 'builtin' },
  settings: {},
})

/** Follows the job to its end. @returns the messages of the WebSocket */
async function follow(server: TestServer): Promise<Record<string, unknown>[]> {
  const messages: Record<string, unknown>[] = []
  const socket = contractClient(server.url, 'YOUR_API_KEY').connectToProgress('long', (message) =>
    messages.push(message),
  )
  await new Promise((resolve) => {
    socket.onclose = resolve
  })
  return messages
}

async function transcript(server: TestServer) {
  const { documents } = z
    .object({ documents: z.tuple([z.object({ id: z.string() })]) })
    .parse(await (await server.fetch(`${API}/documents`)).json())
  const answer = await server.fetch(`${API}/documents/${documents[0].id}/transcript`)
  return z
    .object({ segments: z.array(z.object({ start_seconds: z.number(), text: z.string() })) })
    .parse(await answer.json()).segments
}

/** Length in seconds of a WAV file as it was sent. */
const lengthOf = (bytes: Uint8Array) => (bytes.length - 44) / 2 / RATE

describe.skipIf(FFMPEG === null)('A recording of more than 25 MB', () => {
  it('is sent in parts, and found at its own times', async () => {
    expect((await stat(recording)).size).toBeGreaterThan(25 * MB)
    await using server = await start()
    await contractClient(server.url, '').startProcessing(request(await upload(server)))
    const messages = await follow(server)
    expect(messages.at(-1)).toMatchObject({ type: 'completed', result: { completed_items: 1 } })
    const lengths = service.requests.map(({ bytes }) => lengthOf(bytes))
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeCloseTo(SECONDS, 1)
    expect(service.requests.every(({ bytes }) => bytes.length < 25 * MB)).toBe(true)
    let begin = 0
    const begins = lengths.map((length) => {
      const at = begin
      begin += length
      return at
    })
    expect(lengths.length).toBeGreaterThan(2)
    // The tone is silent in the second half of each ten seconds: no part ends elsewhere.
    for (const at of begins.slice(1)) expect(at % 10).toBeGreaterThan(5)
    const segments = await transcript(server)
    expect(segments.map(({ text }) => text)).toEqual(begins.map((_, part) => `This is part ${part}.`))
    for (const [part, at] of begins.entries()) expect(segments[part]?.start_seconds).toBeCloseTo(at + 1, 2)
    // Its progress never goes back.
    const progress = messages.flatMap(({ progress }) => (typeof progress === 'number' ? [progress] : []))
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
    // Nothing temporary is left beside the upload and the job's copy of it.
    expect((await server.blobs()).filter((path) => path.endsWith('.part'))).toEqual([])
  })

  it('sends a part again that the service was too busy for, and no other', async () => {
    answers = [spoken, busy, () => ({ status: 503, body: {} }), busy]
    await using server = await start()
    await contractClient(server.url, '').startProcessing(request(await upload(server)))
    expect((await follow(server)).at(-1)).toMatchObject({ type: 'completed', result: { completed_items: 1 } })
    const lengths = service.requests.map(({ bytes }) => lengthOf(bytes))
    const [first, second, third, fourth, fifth] = lengths
    expect([second, third, fourth, fifth]).toEqual([second, second, second, second])
    expect((first ?? 0) + lengths.slice(4).reduce((sum, length) => sum + length, 0)).toBeCloseTo(SECONDS, 1)
  })

  it('is refused by name where there is no ffmpeg, before there is a job', async () => {
    await using server = await start({ FFMPEG_PATH: join(folder, 'nowhere') })
    const documents = await upload(server)
    const body = JSON.stringify(request(documents))
    const headers = { 'Content-Type': 'application/json' }
    const answer = await server.fetch(`${API}/process`, { method: 'POST', headers, body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      message: expect.stringMatching(/uploaded_documents\.0\.id.*at most 25 MB here.*apt-get install ffmpeg/),
    })
    expect((await server.fetch(`${API}/job/long/status`)).status).toBe(404)
  })

  it('goes on after the server was killed with the part that was under way', async () => {
    const reached = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    answers = [
      spoken,
      async (part) => {
        reached.resolve()
        await held.promise
        return spoken(part)
      },
    ]
    await using server = await start()
    await contractClient(server.url, '').startProcessing(request(await upload(server)))
    await reached.promise
    const { dataDir } = server
    await server.end('SIGKILL')
    held.resolve()
    await using next = await startServer({ dataDir, env: { TRANSCRIBE_BASE_URL: service.baseUrl } })
    expect((await follow(next)).at(-1)).toMatchObject({ type: 'completed', result: { completed_items: 1 } })
    const lengths = service.requests.map(({ bytes }) => lengthOf(bytes))
    expect(lengths[1]).toBe(lengths[2])
    expect(lengths.toSpliced(1, 1).reduce((sum, length) => sum + length, 0)).toBeCloseTo(SECONDS, 1)
  })
})
