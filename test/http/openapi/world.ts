/** An owner's full set of rows, made as a caller makes them, so that every path of the document has an id that exists. */
import { z } from 'zod'
import { feed, serveSite } from '../../features/rag/channels/sites.ts'
import { processBody } from '../../support/documents.ts'
import { until } from '../../support/fixture.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'

/** Sends a request as one owner. */
export type Send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>

const Made = z.looseObject({ batchId: z.string().optional(), task_id: z.string().optional() })
const Batch = z.object({ batch: z.looseObject({ finishedAt: z.string().nullable() }) })
const Deliveries = z.object({ deliveries: z.array(z.object({ id: z.string(), status: z.string() })) })
const Scheduled = z.object({ schedule: z.object({ id: z.string() }) })
const Results = z.object({ sources: z.tuple([z.object({ resultCode: z.string() })]) })
const Exported = z.object({ result: z.object({ export_data: z.string() }) })
const Published = z.tuple([z.looseObject({ id: z.string(), published_url: z.string() })]).rest(z.unknown())

const DOCUMENTS = '/api/public/bulk'
const Synced = z.object({ sync: z.object({ id: z.string() }) })
const Begun = z.object({ websocket_url: z.string() })
const Processing = z.object({ result: z.unknown() })
const Exporting = z.object({ status: z.string() })
const Documents = z.object({ documents: z.array(z.object({ id: z.string() })) })

/** Makes things, and says what they are called. */
export class World {
  readonly #send: Send

  constructor(send: Send) {
    this.#send = send
  }

  async #made(path: string, body: unknown, headers: Record<string, string> = {}): Promise<string> {
    const response = await this.#send('POST', path, body, headers)
    const text = await response.text()
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status} ${text}`)
    const { batchId, task_id } = Made.parse(JSON.parse(text))
    return batchId ?? task_id ?? ''
  }

  #ended(id: string): Promise<true> {
    return until(async () => {
      const { batch } = Batch.parse(await (await this.#send('GET', `/api/batch/${id}`)).json())
      return batch.finishedAt === null ? null : true
    }, 30_000)
  }

  /** A batch that has ended, one of its jobs failed. */
  async ended(headers: Record<string, string> = {}): Promise<string> {
    const items = [{ value: { a: 1 } }, { error: 'no good' }]
    const id = await this.#made('/api/batch', { operation: 'echo', items, options: { labels: ['walk'] } }, headers)
    await this.#ended(id)
    return id
  }

  /** A batch that has not begun. */
  waiting(): Promise<string> {
    return this.#made('/api/batch', { operation: 'echo', items: [{}], options: { runAt: '2100-01-01T00:00:00Z' } })
  }

  /** A batch that takes items. */
  open(): Promise<string> {
    return this.#made('/api/batch', { operation: 'echo', open: true })
  }

  /** A batch that has taken two items, and takes more. */
  async fed(): Promise<string> {
    const id = await this.open()
    await this.#send('POST', `/api/batch/${id}/items?from=0`, '{}\n{}\n', { 'Content-Type': 'application/x-ndjson' })
    return id
  }

  /** An import that has ended. */
  async imported(): Promise<string> {
    const cards = [{ title: 'Shop', body: `Sells ${crypto.randomUUID()}`, category: 'X', privacy_level: 'BUSINESS' }]
    const id = await this.#made('/bulk/import', { cards })
    await this.#ended(id)
    return id
  }

  /** An import that was ended before it began. */
  async unfinishedImport(): Promise<string> {
    const cards = [{ title: 'Late', body: 'Later', category: 'X', privacy_level: 'PERSONAL' }]
    const id = await this.#made('/bulk/import', { cards, run_at: '2100-01-01T00:00:00Z' })
    await this.#send('POST', `/api/batch/${id}/cancel`)
    await this.#ended(id)
    return id
  }

  /** An export of every card; its file can be fetched. */
  async exported(): Promise<string> {
    const id = await this.#made('/bulk/export', { format: 'json' })
    await this.#ended(id)
    return id
  }

  /** A published card: its id, and how its address ends. */
  async published(): Promise<{ id: string; slug: string }> {
    await this.imported()
    const task = await (await this.#send('GET', `/bulk/status/${await this.exported()}`)).json()
    const [card] = Published.parse(JSON.parse(Exported.parse(task).result.export_data))
    return { id: card.id, slug: card.published_url.split('/').at(-1) ?? '' }
  }

  /** A batch of a heat sheet that was read. */
  async extracted(): Promise<string> {
    const form = new FormData()
    form.append('swimmer', SWIMMER)
    form.append('pdfs', new Blob([(await heatSheet({ meet: 'Millpond Open' })).slice()]), 'heats.pdf')
    const { batchId } = Made.parse(await (await this.#send('POST', '/api/batch/extract', form)).json())
    await this.#ended(batchId ?? '')
    return batchId ?? ''
  }

  /** The code of what a heat sheet held for a swimmer. */
  async resultCode(): Promise<string> {
    const results = await this.#send('GET', `/api/batch/${await this.extracted()}/results`)
    return Results.parse(await results.json()).sources[0].resultCode
  }

  /** A delivery that failed, because nothing may be sent where it should go. */
  async delivery(): Promise<string> {
    const webhook = { url: 'http://127.0.0.1:9/hook' }
    const batchId = await this.#made('/api/batch', { operation: 'echo', items: [{}], options: { webhook } })
    return until(async () => {
      const answer = await this.#send('GET', `/api/webhooks/deliveries?batchId=${batchId}&status=failed`)
      return Deliveries.parse(await answer.json()).deliveries[0]?.id
    }, 30_000)
  }

  /** A secret. */
  async secret(): Promise<string> {
    const name = `s-${crypto.randomUUID()}`
    const response = await this.#send('PUT', `/api/secrets/${name}`, { value: 'nobody-sees-this' })
    if (!response.ok) throw new Error(await response.text())
    return name
  }

  /** A schedule that is due in a long time. */
  async schedule(): Promise<string> {
    const schedule = { name: crypto.randomUUID(), cron: '0 0 1 1 *', operation: 'echo', items: [{ value: 1 }] }
    const response = await this.#send('POST', '/api/schedules', schedule)
    return Scheduled.parse(await response.json()).schedule.id
  }

  /** A row of a collection. */
  async row(collection: 'activities' | 'participations' | 'coaching'): Promise<string> {
    const id = `row-${crypto.randomUUID()}`
    const rows = {
      activities: { activities: [{ id, name: 'Sorting', activity_type: 'motor' }] },
      participations: { participations: [{ id, child_id: 'child-1', activity_id: 'shared-sock-pairs' }] },
      coaching: { notes: [{ id, child_id: 'child-1', author: 'Ines', text: 'Well done' }] },
    }
    await this.#made(`/api/v1/${collection}`, rows[collection])
    return id
  }

  /** A chunk. */
  async chunk(): Promise<string> {
    const id = `k_${crypto.randomUUID()}`
    await this.#made('/api/chunks', { chunks: [{ id, text: 'What was said' }] })
    return id
  }

  /** Waits until a job that processes documents has ended. */
  async processed(jobId: string): Promise<string> {
    return until(async () => {
      const { result } = Processing.parse(await (await this.#send('GET', `${DOCUMENTS}/job/${jobId}/status`)).json())
      return result === null ? null : jobId
    }, 60_000)
  }

  /** A job that has processed a document. @param jobId its name */
  async processing(jobId = `job-${crypto.randomUUID()}`): Promise<string> {
    await this.process(jobId)
    return this.processed(jobId)
  }

  /** Begins a job of a document, and gives the address of its WebSocket. */
  async process(jobId: string): Promise<string> {
    // Captions, which have a transcript as well.
    const text = `WEBVTT\n\n00:01.000 --> 00:04.000\nThe pump ${jobId} is serviced every March.\n`
    const document = { id: jobId, filename: 'note.vtt', text }
    const response = await this.#send('POST', `${DOCUMENTS}/process`, processBody(jobId, [document]))
    if (!response.ok) throw new Error(await response.text())
    return Begun.parse(await response.json()).websocket_url
  }

  /** An export of what such a job made. */
  async embeddings(): Promise<string> {
    const exportId = `export-${crypto.randomUUID()}`
    const asked = { job_id: await this.processing(), format: 'json', export_id: exportId }
    const response = await this.#send('POST', `${DOCUMENTS}/export`, asked)
    if (!response.ok) throw new Error(await response.text())
    return until(async () => {
      const { status } = Exporting.parse(
        await (await this.#send('GET', `${DOCUMENTS}/export/${exportId}/status`)).json(),
      )
      return status === 'completed' ? exportId : null
    }, 60_000)
  }

  /** A stored document. */
  async document(): Promise<string> {
    await this.processing()
    const list = await (await this.#send('GET', `${DOCUMENTS}/documents`)).json()
    return Documents.parse(list).documents.at(-1)?.id ?? ''
  }

  /** The address of a feed without items. Only servers that take private addresses read it. */
  async feed(): Promise<string> {
    const { origin } = await serveSite({ '/feed.xml': feed('http://127.0.0.1', []) }, { isHeld: false })
    return `${origin}/feed.xml`
  }

  /** A channel that is processed by itself. */
  async sync(): Promise<string> {
    const { uploaded_documents: _, ...body } = processBody(`job-${crypto.randomUUID()}`, [])
    const channel = { input_method: 'channel', channel_url: await this.feed(), sync: { every: '7d' } }
    const response = await this.#send('POST', `${DOCUMENTS}/process`, { ...body, ...channel })
    if (!response.ok) throw new Error(await response.text())
    return Synced.parse(await response.json()).sync.id
  }

  /** An operation that is declared. */
  async declared(name = `op-${crypto.randomUUID()}`): Promise<string> {
    const answer = await this.#send('PUT', `/api/operations/${name}`, {})
    if (!answer.ok) throw new Error(await answer.text())
    return name
  }

  /** Something of the kind that an operation's path names. */
  async idFor(operationId: string): Promise<string> {
    switch (operationId) {
      case 'appendItems':
        return this.open()
      case 'sealBatch':
        return this.fed()
      case 'cancelBatch':
      case 'pauseBatch':
      case 'resumeBatch':
        return this.waiting()
      case 'readTask':
      case 'downloadRejectedCards':
        return this.imported()
      case 'resumeImport':
        return this.unfinishedImport()
      case 'showCard':
        return (await this.published()).slug
      case 'readBatchCalendar':
      case 'readBatchChanges':
        return this.extracted()
      case 'showResult':
      case 'readSharedResult':
      case 'readResultCalendar':
      case 'revokeResult':
        return this.resultCode()
      case 'downloadExport':
        return this.exported()
      case 'readDelivery':
      case 'redeliver':
        return this.delivery()
      case 'putSecret':
      case 'deleteSecret':
        return this.secret()
      case 'readActivity':
        return this.row('activities')
      case 'readParticipation':
        return this.row('participations')
      case 'readCoachingNote':
        return this.row('coaching')
      case 'readChunk':
        return this.chunk()
      case 'readProcessing':
      case 'followProcessing':
        return this.processing()
      case 'readEmbeddingsExport':
      case 'downloadEmbeddings':
      case 'deleteEmbeddingsExport':
        return this.embeddings()
      case 'stopSync':
        return this.sync()
      case 'deleteDocument':
      case 'readTranscript':
        return this.document()
      case 'declareOperation':
      case 'readOperation':
      case 'deleteOperation':
        return this.declared()
      case 'readSchedule':
      case 'listScheduleRuns':
      case 'changeSchedule':
      case 'pauseSchedule':
      case 'resumeSchedule':
      case 'runSchedule':
      case 'deleteSchedule':
        return this.schedule()
      case 'readDocsFile':
        return 'start.js'
      default:
        return this.ended()
    }
  }
}
