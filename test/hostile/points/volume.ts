/** Point 8: a second server on the same volume, in a process namespace of its own, takes nothing from the first. */
import { execFileSync } from 'node:child_process'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { heatSheet } from '../../support/sheets.ts'
import { batchEnd, call, echo, pick } from '../call.ts'
import type { Point } from '../points.ts'
import { demand, Fault, type Report, Skip } from '../report.ts'
import { type Server, startServer } from '../server.ts'

/** Starts the second server: as a container would run it, where it sees no process of the first, under another host name or the same. */
async function second(dataDir: string, host: 'same' | 'other'): Promise<Server> {
  const uts = host === 'other' ? ['--uts'] : []
  const script = host === 'other' ? 'hostname another && exec "$0" "$@"' : 'exec "$0" "$@"'
  const isolated = ['unshare', '--pid', '--mount-proc', '--fork', '--kill-child', ...uts]
  try {
    execFileSync('unshare', [...isolated.slice(1), 'true'], { stdio: 'pipe' })
  } catch {
    throw new Skip('no process namespace of our own can be made here')
  }
  return startServer({ dataDir, under: [...isolated, 'sh', '-c', script] })
}

/** Begins an upload and holds it half way. @returns what sends the rest and answers the status and the body */
function upload(server: Server, document: Uint8Array): () => Promise<{ status: number; text: string }> {
  const head =
    '--b\r\nContent-Disposition: form-data; name="swimmer"\r\n\r\nAda Quill\r\n--b\r\nContent-Disposition: form-data; name="pdfs"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n'
  const sent = request(new URL('/api/batch/extract', server.url), {
    method: 'POST',
    headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  })
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
  })
  answer.catch(() => {})
  sent.write(Buffer.concat([Buffer.from(head), document.subarray(0, document.length / 2)]))
  return () => {
    sent.end(Buffer.concat([document.subarray(document.length / 2), Buffer.from('\r\n--b--\r\n')]))
    return answer
  }
}

async function beside(host: 'same' | 'other'): Promise<string> {
  const first = await startServer()
  let other: Server | null = null
  try {
    const document = await heatSheet({ meet: `Beside ${host}`, pictureBytes: 400_000 })
    const ends = Array.from({ length: 4 }, () => upload(first, document))
    const slow = await echo(first, [{ value: 1, waitMs: 7_000 }])
    await pause(300)
    other = await second(first.dataDir, host)
    // What a start cleans up, it cleans up by then.
    await pause(2_000)
    const answers = await Promise.all(ends.map((end) => end()))
    const wrong = answers.find(({ status }) => status !== 202)
    if (wrong !== undefined)
      throw new Fault(`an upload in flight is answered ${wrong.status} ${wrong.text.slice(0, 100)}`)
    for (const { text } of answers) {
      const batch = await batchEnd(first, String(pick(JSON.parse(text), 'batchId')))
      demand(pick(batch, 'status') === 'completed', `a document in flight: ${JSON.stringify(batch).slice(0, 200)}`)
    }
    await batchEnd(first, slow)
    const { json } = await call(first, `/api/batch/${slow}/jobs`)
    const attempts = pick(json, 'jobs', 0, 'attempts') ?? pick(json, 'jobs', 0, 'attempt') ?? 1
    const taken = `${first.output}${other.output}`
      .split('\n')
      .filter((line) => /took back|lease|late write/i.test(line))
    demand(
      taken.length === 0 && attempts === 1,
      `a running job was taken: ${taken[0]?.slice(0, 120)} attempts ${attempts}`,
    )
    return `${answers.length} uploads in flight were kept, a running job went on undisturbed`
  } finally {
    await other?.kill()
    await first.kill()
  }
}

async function run(report: Report): Promise<void> {
  const expected = 'uploads and jobs of the first go on'
  await report.alone('8', { name: 'another process namespace, the same host name', expected, withinMs: 90_000 }, () =>
    beside('same'),
  )
  await report.alone('8', { name: 'another process namespace, another host name', expected, withinMs: 90_000 }, () =>
    beside('other'),
  )
}

export const volume: Point = { point: '8', title: 'two servers', lane: 'storage', run }
