/** Measures what a long recording costs the memory of the server's own process. */
import { openAsBlob } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { FFMPEG, ffmpeg } from '../../test/features/rag/speech/ffmpeg.ts'
import { startServer, type TestServer } from '../../test/support/server.ts'

const NOTICE = join(import.meta.dirname, '..', '..', 'demo', 'harbour-notice.ogg')
const API = '/api/public/bulk'
const LOOK_MS = 2_000
const MB = 1_000_000

const Uploaded = z.object({ documents: z.array(z.object({ id: z.string() })) })
const Status = z.object({ status: z.string(), error: z.string().nullable() })

/** Transcribes so many minutes of speech. @returns a sentence for the report */
export async function measureServerMemory(minutes: number): Promise<string> {
  if (FFMPEG === null) return 'ffmpeg is not installed, so the memory of the server was not measured.'
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const recording = join(folder, 'long.ogg')
    await ffmpeg('-stream_loop', '-1', '-i', NOTICE, '-t', String(minutes * 60), '-c', 'copy', recording)
    await using server = await startServer({ env: { RATE_LIMITS: 'rag.status=none' } })
    // What a short one leaves is there before: modules, and memory that is kept.
    await transcribe(server, NOTICE, 'short')
    const before = await residentBytes(server.pid)
    const beganAt = performance.now()
    const most = await transcribe(server, recording, 'long')
    const took = (performance.now() - beganAt) / 60_000
    const growth = `${Math.round((most - before) / MB)} MB`
    return `A recording of ${minutes} minutes was transcribed, embedded and stored in ${took.toFixed(1)} minutes; the server's own process grew by ${growth} at most (an hour: at most 50 MB).`
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** @returns the most memory that the server's process occupied meanwhile, in bytes */
async function transcribe(server: TestServer, path: string, job: string): Promise<number> {
  const form = new FormData()
  form.append('files', new File([await openAsBlob(path)], `${job}.ogg`, { type: 'audio/ogg' }))
  const uploaded = Uploaded.parse(await (await server.fetch(`${API}/uploads`, { method: 'POST', body: form })).json())
  const body = JSON.stringify({
    job_id: job,
    platform: 'documents',
    input_method: 'upload',
    selected_content: [],
    uploaded_documents: uploaded.documents,
    embedding_model: { id: 'local' },
    vector_db: { id: 'builtin' },
    settings: {},
  })
  const headers = { 'Content-Type': 'application/json' }
  const accepted = await server.fetch(`${API}/process`, { method: 'POST', headers, body })
  if (!accepted.ok) throw new Error(await accepted.text())
  let most = 0
  for (;;) {
    most = Math.max(most, await residentBytes(server.pid))
    const { status, error } = Status.parse(await (await server.fetch(`${API}/job/${job}/status`)).json())
    if (status === 'completed') return most
    if (error !== null) throw new Error(error)
    await sleep(LOOK_MS)
  }
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) * 1_024
}
