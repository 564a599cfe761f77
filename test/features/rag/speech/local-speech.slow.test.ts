/** English speech recognised on this machine: by the packages of `extras/speech`, without any service. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { isSpeechInstalled } from '../../../../src/drivers/files-node.ts'
import { startServer, type TestServer } from '../../../support/server.ts'
import { contractClient } from '../contract-client.ts'
import { FFMPEG, ffmpeg } from './ffmpeg.ts'
import { countWordErrors } from './measure.ts'
import { NOTICE } from './notice.ts'

const API = '/api/public/bulk'
const RECORDING = join(import.meta.dirname, '..', '..', '..', '..', 'demo', 'harbour-notice.ogg')

if (!isSpeechInstalled()) {
  const absent = 'extras/speech is not installed (npm ci --ignore-scripts in it)'
  if (process.env.CI === 'true') throw new Error(`${absent}, and in CI nothing is skipped.`)
  console.warn(`${absent}: the tests that need it are skipped.`)
}

const Uploaded = z.object({ documents: z.array(z.object({ id: z.string() })) })
const Listed = z.object({ documents: z.array(z.object({ id: z.string(), language: z.string().nullable() })) })
const Transcript = z.object({
  segments: z.array(z.object({ start_seconds: z.number(), end_seconds: z.number(), text: z.string() })),
})

describe.skipIf(FFMPEG === null || !isSpeechInstalled())('A recording, without a service', () => {
  let folder: string
  let server: TestServer
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-speech-'))
    server = await startServer()
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  async function begin(path: string, name: string, more: object = {}): Promise<Response> {
    const form = new FormData()
    form.append('files', new File([await readFile(path)], name, { type: 'application/octet-stream' }))
    const { documents } = Uploaded.parse(
      await (await server.fetch(`${API}/uploads`, { method: 'POST', body: form })).json(),
    )
    const body = {
      job_id: name,
      platform: 'documents',
      input_method: 'upload',
      selected_content: [],
      uploaded_documents: documents,
      embedding_model: { id: 'local' },
      vector_db: { id: 'builtin' },
      settings: {},
      collection: name,
      ...more,
    }
    const headers = { 'Content-Type': 'application/json' }
    return server.fetch(`${API}/process`, { method: 'POST', headers, body: JSON.stringify(body) })
  }

  /** Processes a recording. @returns the messages of its WebSocket */
  async function process(path: string, name: string): Promise<Record<string, unknown>[]> {
    expect((await begin(path, name)).status).toBe(200)
    const messages: Record<string, unknown>[] = []
    const socket = contractClient(server.url, '').connectToProgress(name, (message) => messages.push(message))
    await new Promise((resolve) => {
      socket.onclose = resolve
    })
    return messages
  }

  it('is found by what is said in it, at its second', async () => {
    const messages = await process(RECORDING, 'notice.ogg')
    expect(messages.at(-1)).toMatchObject({ type: 'completed', result: { completed_items: 1 } })
    const progress = messages.flatMap((message) => (typeof message.progress === 'number' ? [message.progress] : []))
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
    const body = JSON.stringify({ query: 'When can I buy fish?', collection: 'notice.ogg', top_k: 1 })
    const headers = { 'Content-Type': 'application/json' }
    const found = await (await server.fetch(`${API}/search`, { method: 'POST', headers, body })).json()
    expect(found).toMatchObject({ results: [{ source: { title: 'notice.ogg' } }] })
    const [document] = Listed.parse(
      await (await server.fetch(`${API}/documents?collection=notice.ogg`)).json(),
    ).documents
    expect(document?.language).toBe('en')
    const answer = await server.fetch(`${API}/documents/${document?.id}/transcript`)
    const { segments } = Transcript.parse(await answer.json())
    const { errors, words } = countWordErrors(NOTICE.text, segments.map(({ text }) => text).join(' '))
    expect(errors / words).toBeLessThan(0.17)
    for (const { phrase, seconds } of NOTICE.phrases) {
      const said = segments.find(({ text }) => text.includes(phrase))
      expect(said?.start_seconds, phrase).toBeGreaterThan(seconds - 0.5)
      expect(said?.start_seconds, phrase).toBeLessThan(seconds + 0.5)
    }
  })

  it.each([
    ['silence', 'anullsrc=r=16000:cl=mono:d=40'],
    ['noise', 'anoisesrc=r=16000:a=0.2:d=40:seed=3'],
    ['a tone', 'sine=f=440:r=16000:d=40'],
  ])('of %s gives no words', async (name, source) => {
    const path = join(folder, `${name}.wav`)
    await ffmpeg('-f', 'lavfi', '-i', source, path)
    const messages = await process(path, `${name.replace(' ', '-')}.wav`)
    expect(messages.at(-1)).toMatchObject({ type: 'error', message: expect.stringMatching(/No words were recognised/) })
  })

  it('in another language is refused by name, where the request says so', async () => {
    const answer = await begin(RECORDING, 'german.ogg', { language: 'de' })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      details: { field: 'language', issue: expect.stringMatching(/English.*"de".*TRANSCRIBE_BASE_URL/) },
    })
  })

  it('in another language fails in words, where its file says so', async () => {
    const path = join(folder, 'tagged.mp4')
    await ffmpeg('-i', RECORDING, '-t', '5', '-metadata:s:a', 'language=ger', path)
    const messages = await process(path, 'tagged.mp4')
    expect(messages.at(-1)).toMatchObject({ message: expect.stringMatching(/the language is "ger".*TRANSCRIBE_/) })
  })
})

describe.skipIf(FFMPEG === null || !isSpeechInstalled())('Without ffmpeg', () => {
  it('recordings are refused by name, before there is a job', async () => {
    await using server = await startServer({ env: { FFMPEG_PATH: '/nowhere/ffmpeg' } })
    const body = JSON.stringify({
      job_id: 'link',
      platform: 'documents',
      input_method: 'urls',
      selected_content: [],
      pasted_urls: ['https://example.com/talk.mp3'],
      embedding_model: { id: 'local' },
      vector_db: { id: 'builtin' },
      settings: {},
    })
    const headers = { 'Content-Type': 'application/json' }
    const answer = await server.fetch(`${API}/process`, { method: 'POST', headers, body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      details: { field: 'pasted_urls.0', issue: expect.stringMatching(/apt-get install ffmpeg.*FFMPEG_PATH/) },
    })
  })
})
