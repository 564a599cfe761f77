/** A hook of React that follows a batch: by its stream, or by polling where streams do not come through. */
import { useEffect, useState } from 'react'
import type { BatchEvent, BatchStatus } from '../features/batches/follow-schemas.ts'

/** A job as a page sees it. */
export interface BatchJob {
  readonly jobId: string
  /** Position in the batch, from 1. */
  readonly sequence: number
  readonly status: string
  /** 0 to 100. */
  readonly progressPercent: number
  /** Further fields of the job's events: `progressMessage`, `result`, `errorMessage` … */
  readonly [fact: string]: unknown
}

/** A batch as a page sees it. */
export interface BatchView {
  /** `connecting` until the first event; then as the batch itself. */
  readonly status: 'connecting' | 'pending' | 'processing' | 'completed' | 'partial' | 'failed' | 'cancelled'
  readonly totalJobs: number
  /** Jobs that have ended, whatever came of them. */
  readonly endedJobs: number
  /** Part of the work that is done, from 0 to 1. */
  readonly progress: number
  /** Jobs of which events were received, by position. */
  readonly jobs: readonly BatchJob[]
  /** The last 1,000 events, progress left out. */
  readonly events: readonly BatchEvent[]
  /** Text that says why nothing more comes: the link has run out, or the batch is gone. */
  readonly error: string | null
}

const MAX_EVENTS = 1_000
/** Between two renders, in milliseconds, however many events come. */
const RENDER_MS = 50
/** A stream of which nothing has come by then does not come through: something on the way holds it back. */
const FIRST_BYTE_MS = 5_000
const FIRST_PAUSE_MS = 1_000
const LAST_PAUSE_MS = 30_000
const TYPES = [
  'batch_started',
  'job_progress',
  'job_completed',
  'job_failed',
  'budget_exceeded',
  'chain_fed',
  'batch_completed',
  'resync',
] as const
const ENDED = /^(completed|partial|failed|cancelled)$/
const CANCELLED = /^(CANCELLED|BUDGET_EXCEEDED|SUPERSEDED)$/

const EMPTY: BatchView = {
  status: 'connecting',
  totalJobs: 0,
  endedJobs: 0,
  progress: 0,
  jobs: [],
  events: [],
  error: null,
}

/**
 * Follows a batch for as long as the component is mounted. After a reload all events are replayed; a broken connection resumes after the last event received.
 * @param streamUrl of the answer to a create, with the server in front where that is another; null or undefined for none yet
 * @example
 * const { status, progress, jobs } = useBatch(batch?.streamUrl)
 */
export function useBatch(streamUrl: string | null | undefined): BatchView {
  const [view, setView] = useState(EMPTY)
  useEffect(() => {
    setView(EMPTY)
    return streamUrl ? followBatch(streamUrl, setView) : undefined
  }, [streamUrl])
  return view
}

type Received = BatchEvent | (BatchStatus & { readonly type: 'resync' })

/** Sorts the jobs of a batch, and computes how far they are. */
function countJobs(known: readonly BatchJob[], totalJobs: number): Pick<BatchView, 'jobs' | 'endedJobs' | 'progress'> {
  const jobs = known.toSorted((a, b) => a.sequence - b.sequence)
  const endedJobs = jobs.filter((job) => ENDED.test(job.status)).length
  const done = jobs.reduce((sum, job) => sum + (ENDED.test(job.status) ? 1 : job.progressPercent / 100), 0)
  return { jobs, endedJobs, progress: totalJobs > 0 ? done / totalJobs : 0 }
}

/** @returns a function that ends it */
function followBatch(streamUrl: string, show: (view: BatchView) => void): () => void {
  const jobs = new Map<number, BatchJob>()
  let view = EMPTY
  let cursor = 0
  let over = false
  let rendering: ReturnType<typeof setTimeout> | undefined
  const stop = new AbortController()

  const change = (part: Partial<BatchView>) => {
    view = { ...view, ...part }
    rendering ??= setTimeout(() => {
      rendering = undefined
      view = { ...view, ...countJobs([...jobs.values()], view.totalJobs) }
      show(view)
    }, RENDER_MS)
  }
  const put = (facts: Pick<BatchJob, 'jobId' | 'sequence' | 'status'>) => {
    const job: BatchJob = { progressPercent: 0, ...jobs.get(facts.sequence), ...facts }
    jobs.set(facts.sequence, ENDED.test(job.status) ? { ...job, progressPercent: 100 } : job)
  }
  const take = (event: Received, id: number) => {
    if (event.type !== 'resync' && id > 0 && id <= cursor) return
    if (id > 0) cursor = id
    if (event.type === 'resync') {
      jobs.clear()
      for (const { id: jobId, ...job } of event.jobs) put({ ...job, jobId })
      over = ENDED.test(event.batch.status)
      change({ status: event.batch.status, totalJobs: event.batch.totalJobs, events: [] })
      return
    }
    const isRetry = event.type === 'batch_started'
    if (event.type === 'job_progress') put(event)
    if (event.type === 'job_completed') put({ ...event, status: 'completed' })
    if (event.type === 'job_failed') put({ ...event, status: CANCELLED.test(event.errorCode) ? 'cancelled' : 'failed' })
    if (event.type === 'batch_completed') over = true
    change({
      status: event.type === 'batch_completed' ? event.status : 'processing',
      ...(isRetry ? { totalJobs: Math.max(view.totalJobs, event.totalJobs) } : {}),
      events: event.type === 'job_progress' ? view.events : [...view.events, event].slice(-MAX_EVENTS),
    })
  }

  void (async () => {
    let pause = FIRST_PAUSE_MS
    while (!over && !stop.signal.aborted) {
      const before = cursor
      if (!(await stream(streamUrl, cursor, take, () => over, stop.signal))) {
        const error = await poll(streamUrl, cursor, take, stop.signal)
        if (error !== null) return change({ error })
      }
      pause = cursor > before ? FIRST_PAUSE_MS : Math.min(LAST_PAUSE_MS, pause * 2)
      if (!over) await sleep(pause * (0.5 + Math.random() / 2), stop.signal)
    }
  })()

  return () => {
    stop.abort()
    clearTimeout(rendering)
  }
}

type Take = (event: Received, id: number) => void

/** Follows by the stream until it ends. @returns false where it brought nothing */
function stream(url: string, cursor: number, take: Take, isOver: () => boolean, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const source = new EventSource(`${url}${url.includes('?') ? '&' : '?'}lastEventId=${cursor}`)
    let came = false
    const end = () => {
      clearTimeout(timer)
      source.close()
      resolve(came)
    }
    const timer = setTimeout(() => came || end(), FIRST_BYTE_MS)
    signal.addEventListener('abort', end)
    for (const type of TYPES) {
      source.addEventListener(type, ({ data, lastEventId }) => {
        came = true
        take({ ...JSON.parse(data), type }, type === 'job_progress' ? 0 : Number(lastEventId))
        if (isOver()) end()
      })
    }
    // The loop connects again, from its own cursor.
    source.onerror = end
  })
}

/** Reads the events after the cursor once, waiting for one. @returns why there is nothing to follow; null where there may be */
async function poll(url: string, cursor: number, take: Take, signal: AbortSignal): Promise<string | null> {
  const [path = '', query = ''] = url.split('?')
  try {
    const answer = await fetch(`${path.replace(/\/stream$/, '')}?${query}${query && '&'}after=${cursor}`, { signal })
    const body = await answer.json()
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return body.message ?? body.error
    if (!answer.ok) return null
    for (const { id, data } of body.events) take(data, id)
    // Of what runs there are no numbered events.
    for (const { id: jobId, ...job } of body.jobs) {
      if (job.status === 'processing') take({ ...job, jobId, type: 'job_progress' }, 0)
    }
  } catch {
    // A network error, or an answer of an intermediary rather than the server: it is retried.
  }
  return null
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
