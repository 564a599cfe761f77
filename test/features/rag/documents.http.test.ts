/** Documents handed over, followed, searched, exported and deleted, by the contract's own client. */
import PDFDocument from 'pdfkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../../support/server.ts'
import { contractClient } from './contract-client.ts'

const API = '/api/public/bulk'

/** Without ffmpeg it recognises no speech, where the packages of `extras/speech` are installed too. */
const WITHOUT_SPEECH = { FFMPEG_PATH: '/nowhere/ffmpeg' }
let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: WITHOUT_SPEECH })
})
afterAll(() => server[Symbol.asyncDispose]())

type Json = Record<string, unknown>

async function call(path: string, init: RequestInit = {}): Promise<{ status: number; body: Json; headers: Headers }> {
  const response = await server.fetch(`${API}${path}`, init)
  return { status: response.status, body: await response.json(), headers: response.headers }
}

const post = (path: string, body: unknown) =>
  call(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })

const job = (job_id: string, more: Json = {}) => ({
  job_id,
  platform: 'documents',
  input_method: 'upload',
  selected_content: [],
  uploaded_documents: [{ id: 'note-1', filename: 'note.txt', text: 'The pump in the cellar is serviced every March.' }],
  embedding_model: { id: 'local', label: 'Local' },
  vector_db: { id: 'builtin', label: 'Built in' },
  settings: { chunkSize: 1024, chunkOverlap: 100, maxTokens: 8192 },
  ...more,
})

/** Follows a job to its last message. */
async function followed(jobId: string): Promise<Json> {
  const messages: Json[] = []
  const client = contractClient(server.url, 'YOUR_API_KEY')
  const socket = client.connectToProgress(jobId, (message) => messages.push(message))
  const code = await new Promise((resolve) => {
    socket.onclose = (event) => resolve(event.code)
  })
  expect(code).toBe(1000)
  for (const { type } of messages.slice(0, -1)) expect(type).toBe('progress')
  return messages.at(-1) ?? {}
}

async function process(body: Json): Promise<Json> {
  await contractClient(server.url, 'YOUR_API_KEY').startProcessing(body)
  return followed(String(body.job_id))
}

async function search(query: string, more: Json = {}): Promise<Json[]> {
  const { body } = await post('/search', { query, ...more })
  if (!Array.isArray(body.results)) throw new Error(JSON.stringify(body))
  return body.results
}

/** A PDF with a paragraph a page. */
async function pdfOf(pages: readonly string[]): Promise<Blob> {
  const document = new PDFDocument()
  const chunks: Buffer[] = []
  document.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise((resolve) => document.on('end', resolve))
  for (const [at, text] of pages.entries()) {
    if (at > 0) document.addPage()
    document.text(text)
  }
  document.end()
  await ended
  return new Blob([new Uint8Array(Buffer.concat(chunks))], { type: 'application/pdf' })
}

describe('A document', () => {
  it('that is captions answers with its second, and has a transcript in every format', async () => {
    const vtt = 'WEBVTT\n\n00:05.000 --> 00:08.000\n<v Ada>The lighthouse was painted in May.\n'
    const document = { id: 'talk', filename: 'talk.vtt', text: vtt }
    await process(job('talk', { uploaded_documents: [document], collection: 'talks' }))
    const [best] = await search('When was the lighthouse painted?', { collection: 'talks' })
    expect(best?.source).toMatchObject({ title: 'talk.vtt', start_seconds: 5, end_seconds: 8 })
    const listed = await call('/documents?collection=talks')
    const [{ id }] = Array.isArray(listed.body.documents) ? listed.body.documents : [{}]
    const transcript = `/documents/${id}/transcript`
    expect((await call(transcript)).body).toEqual({
      document_id: id,
      title: 'talk.vtt',
      language: null,
      segments: [{ start_seconds: 5, end_seconds: 8, text: 'The lighthouse was painted in May.' }],
    })
    const formats = ['text', 'vtt', 'srt'].map(async (format) => {
      const answer = await server.fetch(`${API}${transcript}?format=${format}`)
      return [answer.headers.get('Content-Type'), await answer.text()]
    })
    expect(await Promise.all(formats)).toEqual([
      ['text/plain; charset=utf-8', 'The lighthouse was painted in May.\n'],
      ['text/vtt; charset=utf-8', 'WEBVTT\n\n00:00:05.000 --> 00:00:08.000\nThe lighthouse was painted in May.\n'],
      ['application/x-subrip; charset=utf-8', '1\n00:00:05,000 --> 00:00:08,000\nThe lighthouse was painted in May.\n'],
    ])
    expect(await call(`${transcript}?format=docx`)).toMatchObject({
      status: 400,
      body: { error: 'validation_error', details: { field: 'format' } },
    })
    expect((await call(`/documents/${id}`, { method: 'DELETE' })).status).toBe(200)
    expect((await call(transcript)).status).toBe(404)
  })

  it('goes through by the printed client, and answers a question with its passage and its page', async () => {
    const form = new FormData()
    const pages = [
      'The harbour office opens at seven in the morning. In winter it opens at nine.',
      'Visitors may stay overnight at the western pier when a green lamp shows that a berth is free.',
    ]
    form.append('files', await pdfOf(pages), 'handbook.pdf')
    const uploaded = await call('/uploads', { method: 'POST', body: form })
    expect(uploaded.body).toMatchObject({
      success: true,
      documents: [{ filename: 'handbook.pdf', content_type: 'application/pdf' }],
    })
    const [{ id }] = Array.isArray(uploaded.body.documents) ? uploaded.body.documents : [{}]
    const client = contractClient(server.url, 'YOUR_API_KEY')
    const accepted = await client.startProcessing(
      job('handbook', {
        uploaded_documents: [{ id }],
        collection: 'harbour',
        vector_db: { id: 'pinecone', label: 'Pinecone' },
      }),
    )
    expect(accepted).toMatchObject({
      success: true,
      job_id: 'handbook',
      vector_db: { id: 'builtin', requested: 'pinecone' },
    })
    expect(accepted.message).toContain('builtin')
    expect(await followed('handbook')).toMatchObject({
      type: 'completed',
      progress: 100,
      status: 'completed',
      completed_items: 1,
      result: { status: 'completed', total_items: 1, completed_items: 1, failed_items: 0 },
    })
    const [best] = await search('Where can a visitor moor for the night?', { collection: 'harbour' })
    expect(best?.text).toContain('western pier')
    expect(best?.source).toMatchObject({ url: null, page: 2 })
    const byReference = await server.fetch('/api/chunks/bulk', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ chunk_references: [best?.reference] }),
    })
    expect(await byReference.json()).toMatchObject({
      chunks: { [String(best?.reference)]: { source_type: 'rag_chunk', text: best?.text } },
    })
  })

  it('is skipped where nothing of it changed, and replaced where it did', async () => {
    await process(job('first', { collection: 'changing' }))
    expect(await process(job('again', { collection: 'changing' }))).toMatchObject({
      result: { completed_items: 1, skipped_items: 1, embeddings: 0 },
    })
    const text = 'The pump in the cellar is serviced every October.'
    const changed = [{ id: 'note-1', filename: 'note.txt', text }]
    await process(job('changed', { collection: 'changing', uploaded_documents: changed }))
    const results = await search('When is the pump serviced?', { collection: 'changing' })
    expect(results.map((result) => result.text)).toEqual([text])
    const { body } = await call('/documents?collection=changing')
    expect(body.documents).toHaveLength(1)
  })

  it('outlives its job in a cleanup, and goes with the job that is deleted', async () => {
    await process(job('cleaned', { collection: 'outliving' }))
    const { body } = await call('/cleanup?older_than_hours=0', { method: 'DELETE' })
    expect(body).toMatchObject({ success: true })
    expect((await call('/job/cleaned/status')).status).toBe(404)
    expect(await search('pump', { collection: 'outliving' })).toHaveLength(1)
    const text = 'A second note about boats.'
    await process(job('deleted', { collection: 'outliving', uploaded_documents: [{ id: 'note-2', text }] }))
    expect(await search('boats', { collection: 'outliving' })).toHaveLength(2)
    await server.fetch('/api/batch/deleted', { method: 'DELETE' })
    expect((await search('boats', { collection: 'outliving' })).map((result) => result.text)).not.toContain(text)
  })

  it('is deleted with its chunks', async () => {
    await process(job('removed', { collection: 'removing' }))
    const { body } = await call('/documents?collection=removing')
    const [{ id }] = Array.isArray(body.documents) ? body.documents : [{}]
    expect((await call(`/documents/${id}`, { method: 'DELETE' })).body).toEqual({ success: true })
    expect(await search('pump', { collection: 'removing' })).toEqual([])
    expect((await call(`/documents/${id}`, { method: 'DELETE' })).status).toBe(404)
  })
})

describe('An export', () => {
  it.each(['json', 'csv'])('in %s holds a record a chunk, and is downloaded whole and in part', async (format) => {
    await process(job(`exported-${format}`, { collection: `exported-${format}` }))
    const { export_id: id } = await contractClient(server.url, 'YOUR_API_KEY').exportResults(
      `exported-${format}`,
      format,
    )
    await expect
      .poll(async () => (await call(`/export/${id}/status`)).body.status, { timeout: 30_000 })
      .toBe('completed')
    const { body } = await call(`/export/${id}/status`)
    expect(body).toMatchObject({ progress: 100, download_url: `${API}/download/${id}`, error: null })
    expect(body.filename).toMatch(new RegExp(`^bulk-embeddings-\\d{8}\\.${format}$`))
    const whole = await server.fetch(String(body.download_url))
    expect(whole.headers.get('Content-Type')).toBe('application/octet-stream')
    expect(whole.headers.get('Content-Length')).toBe(String(body.file_size))
    const text = await whole.text()
    const part = await server.fetch(String(body.download_url), { headers: { Range: 'bytes=1-9' } })
    expect([part.status, await part.text()]).toEqual([206, text.slice(1, 10)])
    expect(text).toContain('The pump in the cellar')
    if (format === 'json') {
      expect(JSON.parse(text)).toMatchObject([
        { values: { length: 512 }, metadata: { item_id: 'note-1', chunk_index: 0, model: 'local', dimensions: 512 } },
      ])
    }
    expect((await call(`/export/${id}`, { method: 'DELETE' })).body).toEqual({ success: true })
    expect((await call(`/export/${id}/status`)).status).toBe(404)
  })

  it('under the name of something else, of no job, or of one under way is refused', async () => {
    await process(job('named', { collection: 'named' }))
    const other = await post('/export', { job_id: 'named', format: 'json', export_id: 'named' })
    expect(other).toMatchObject({ status: 400, body: { error: 'validation_error', details: { field: 'export_id' } } })
    expect((await post('/export', { job_id: 'none', format: 'json', export_id: 'e1' })).status).toBe(404)
    const slow = { ...job('slow', { input_method: 'urls', pasted_urls: ['https://documents.example/a.pdf'] }) }
    await post('/process', slow)
    const early = await post('/export', { job_id: 'slow', format: 'json', export_id: 'e2' })
    expect(early).toMatchObject({ status: 400, body: { details: { field: 'job_id' } } })
  })
})

describe('A request', () => {
  it('for a recording is refused where nothing recognises speech, and says what would', async () => {
    const form = new FormData()
    form.append('files', new Blob(['ID3'], { type: 'audio/mpeg' }), 'talk.mp3')
    const uploaded = await call('/uploads', { method: 'POST', body: form })
    const refused = await post('/process', job('no-speech', { uploaded_documents: uploaded.body.documents }))
    expect(refused).toMatchObject({
      status: 400,
      body: {
        error: 'validation_error',
        details: { field: 'uploaded_documents.0.id', issue: expect.stringContaining('TRANSCRIBE_BASE_URL') },
      },
    })
    const link = { input_method: 'urls', uploaded_documents: [], pasted_urls: ['https://example.com/talk.mp3?a=1'] }
    expect(await post('/process', job('no-speech', link))).toMatchObject({
      status: 400,
      body: { details: { field: 'pasted_urls.0', issue: expect.stringContaining('TRANSCRIBE_BASE_URL') } },
    })
  })

  it('sent again under its job_id is the same job; another under it is refused', async () => {
    const first = await post('/process', job('twice', { collection: 'twice' }))
    const again = await post('/process', job('twice', { collection: 'twice' }))
    expect([first.status, again.status]).toEqual([200, 200])
    const other = await post('/process', job('twice', { collection: 'elsewhere' }))
    expect(other).toMatchObject({
      status: 422,
      body: { error: 'idempotency_key_reused', details: { field: 'job_id' } },
    })
  })

  it.each<[field: string, more: Json, issue: RegExp]>([
    [
      'embedding_model.dimensions',
      { embedding_model: { id: 'local', dimensions: 4096 } },
      /^Must be between 128 and 2048$/,
    ],
    ['embedding_model.id', { embedding_model: { id: 'jina-v4' } }, /JINA_API_KEY.*local/],
    ['embedding_model.id', { embedding_model: { id: 'gemini-exp' } }, /GEMINI_API_KEY.*local/],
    ['embedding_model.id', { embedding_model: { id: 'other' } }, /local/],
    ['vector_db.id', { vector_db: { id: 'pinecone', api_key: 'x' } }, /builtin/],
    ['vector_db.id', { vector_db: { id: 'sheets' } }, /builtin/],
    ['settings.chunkSize', { settings: { chunkSize: 100 } }, /between 512 and 4096/],
    ['settings.chunkOverlap', { settings: { chunkOverlap: 501 } }, /between 0 and 500/],
    ['platform', { platform: 'youtube', input_method: 'urls', pasted_urls: ['https://youtu.be/x'] }, /documents/],
    ['platform', { platform: 'vimeo' }, /documents/],
    ['input_method', { input_method: 'list' }, /urls/],
    ['channel_url', { input_method: 'channel' }, /channel/],
    ['uploaded_documents', { uploaded_documents: [] }, /uploads/],
    ['uploaded_documents.0.id', { uploaded_documents: [{ id: 'no-such-upload' }] }, /no upload/],
    ['pasted_urls', { input_method: 'urls' }, /urls/],
    ['pasted_urls.0', { input_method: 'urls', pasted_urls: ['ftp://x'] }, /https/],
    ['selected_content.0', { selected_content: ['other'] }, /none/],
    ['colection', { colection: 'notes' }, /Did you mean "collection"/],
    ['settings.chunksSize', { settings: { chunksSize: 512 } }, /Did you mean "chunkSize"/],
    ['embedding_model.dimension', { embedding_model: { id: 'local', dimension: 512 } }, /Did you mean "dimensions"/],
    ['uploaded_documents.0.txt', { uploaded_documents: [{ id: 'n', txt: 'A note.' }] }, /Did you mean "text"/],
  ])('with a wrong %s is told so: %j', async (field, more, issue) => {
    const { status, body } = await post('/process', job(`wrong-${Math.random()}`.replace('.', '-'), more))
    expect([status, body.success, body.error]).toEqual([400, false, 'validation_error'])
    expect(body.details).toEqual({ field, issue: expect.stringMatching(issue) })
  })

  it('whose inner object has an unknown option, or is none, is told so', async () => {
    const search = await post('/search', { query: 'boats', filter: { document: ['a'] } })
    expect(search).toMatchObject({ status: 400, body: { details: { field: 'filter.document' } } })
    expect(search.body.message).toContain('Did you mean "documents"?')
    expect((await post('/search', { qery: 'boats' })).body.details).toMatchObject({
      field: 'qery',
      issue: expect.stringMatching(/"query"/),
    })
    expect((await post('/search', { query: ' \n' })).body.details).toEqual({
      field: 'query',
      issue: 'Must not be blank',
    })
    const settings = await post('/process', job('no-object', { settings: 'all' }))
    expect(settings.body.details).toEqual({ field: 'settings', issue: 'Must be an object; {} takes the defaults' })
  })

  it('takes every field of the contract, and documents as their upload was answered', async () => {
    const form = new FormData()
    form.append('files', new Blob(['The sluice is closed at night.'], { type: 'text/plain' }), 'sluice.txt')
    const { documents } = (await call('/uploads', { method: 'POST', body: form })).body
    const model = {
      id: 'local',
      label: 'Local',
      dimensions: 512,
      max_tokens: 8192,
      jina_v4_task: 'retrieval.passage',
      jina_v4_dimensions: 1024,
      jina_v4_late_chunking: true,
      jina_v4_multi_vector: false,
      jina_v4_optimize_for_rag: true,
      jina_v4_truncate_at_max: true,
    }
    const whole = {
      channel_url: 'https://example.com/@someone',
      pasted_urls: [],
      uploaded_documents: documents,
      embedding_model: model,
      vector_db: { id: 'pinecone', label: 'Pinecone' },
      collection: 'whole',
      user_id: 'user-123',
    }
    expect(await post('/process', job('whole', whole))).toMatchObject({ status: 200, body: { success: true } })
  })

  it('counts towards the limit of its kind, and the answer says how the caller stands', async () => {
    const { headers } = await post('/process', job('counted'))
    expect(headers.get('X-RateLimit-Limit')).toBe('20')
    expect((await call('/job/counted/status')).headers.get('X-RateLimit-Limit')).toBe('1000')
    expect((await call('/documents')).headers.get('X-RateLimit-Limit')).toBeNull()
  })
})
