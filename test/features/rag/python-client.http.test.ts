/** The Python client that the contract prints: a job begun, followed over its WebSocket to the end, and exported. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { find } from '../../support/programs.ts'
import { startServer, type TestServer } from '../../support/server.ts'

const python = find('python3')
const SCRIPT = join(import.meta.dirname, 'python', 'follow_job.py')
const Json = z.record(z.string(), z.unknown())
const Told = z.object({ accepted: Json, messages: z.array(Json), exported: Json })

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

describe.skipIf(python === null)('The printed Python client', () => {
  it('begins a job, is told its progress and its end, and exports it', async () => {
    const config = {
      job_id: 'from-python',
      platform: 'documents',
      input_method: 'upload',
      selected_content: [],
      uploaded_documents: [{ id: 'note-1', text: 'The pump in the cellar is serviced every March.' }],
      embedding_model: { id: 'local', label: 'Local' },
      vector_db: { id: 'pinecone', label: 'Pinecone' },
      settings: { chunkSize: 1024, chunkOverlap: 100, maxTokens: 8192 },
    }
    const line = ['-B', SCRIPT, server.url, JSON.stringify(config)]
    const { stdout } = await promisify(execFile)(python ?? '', line)
    const { accepted, messages, exported } = Told.parse(JSON.parse(stdout))
    expect(accepted).toMatchObject({ success: true, job_id: 'from-python' })
    for (const { type } of messages.slice(0, -1)) expect(type).toBe('progress')
    expect(messages.at(-1)).toMatchObject({ type: 'completed', progress: 100, result: { completed_items: 1 } })
    expect(exported).toMatchObject({ success: true, status_url: expect.stringContaining('/export/export-') })
  })
})
