/** Serves metrics for an operator's monitoring: `GET /metrics`. */
import { sql } from 'drizzle-orm'
import type { Hono } from 'hono'
import * as z from 'zod'
import { readOfferedDepth, readQueueDepth } from '../../engine/queue-depth.ts'
import { encodeMetrics, type Metric, PROMETHEUS_TYPE } from '../../formats/prometheus.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Endpoint } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'

const readMetrics = {
  route: 'GET /metrics',
  id: 'readMetrics',
  summary: 'Queue, workers, streams and attempts, for Prometheus',
  answers: {
    200: { description: 'Prometheus text format 0.0.4.', content: { 'text/plain': { schema: z.string() } } },
  },
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readMetrics]

/** `GET /metrics`: depth of the queue, workers, streams, and what this process's worker did by operation. */
export function metricsRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/', CODED_ERRORS).add(readMetrics, async (c) => {
    const began = performance.now()
    const { jobs, workers, oldestReadySeconds } = await readQueueDepth(deps.db, deps.clock.now())
    const offered = await readOfferedDepth(deps.db)
    const readSeconds = (performance.now() - began) / 1_000
    // A disk that reports nothing leaves the rest to be reported still.
    const space = await deps.disk?.space().catch(() => undefined)
    const storage = await storageMetrics(deps)
    const metrics: Metric[] = [
      {
        name: 'millrace_jobs',
        help: 'Jobs that have not ended, by status.',
        type: 'gauge',
        samples: Object.entries(jobs).map(([status, value]) => ({ labels: { status }, value })),
      },
      {
        name: 'millrace_offered_jobs',
        help: 'Jobs that wait for workers over HTTP, by operation; of the first 200 that have any.',
        type: 'gauge',
        samples: offered.map(({ operation, offered: value }) => ({ labels: { operation }, value })),
      },
      gauge(
        'millrace_oldest_ready_job_seconds',
        'How long the job that waits longest, of the next 1,000, has been ready.',
        oldestReadySeconds,
      ),
      gauge('millrace_database_read_seconds', 'Time that reading the queue for this answer took.', readSeconds),
      ...(await databaseMetrics(deps)),
      ...processMetrics(deps),
      gauge('millrace_workers', 'Workers seen in the last 30 seconds.', workers),
      gauge('millrace_streams', 'Streams open on this process.', deps.hub.streams),
      gauge('millrace_watched', 'Batches followed by this process.', deps.hub.watched),
      ...connectionMetrics(deps),
      ...storage,
      gauge('millrace_unwritten_outcomes', 'Jobs that ended and wait for the storage.', deps.meter.unwritten),
      {
        name: 'millrace_storage_faults_total',
        help: 'Writes and reads that met a storage fault on this process, by kind.',
        type: 'counter',
        samples: [...deps.meter.storageFaults].map(([fault, value]) => ({ labels: { fault }, value })),
      },
      ...(space === undefined
        ? []
        : [
            gauge('millrace_disk_free_bytes', 'Space left where rows and files are kept.', space.freeBytes),
            gauge('millrace_disk_total_bytes', 'Space there is where rows and files are kept.', space.totalBytes),
          ]),
      ...durationMetrics(deps),
    ]
    return c.body(encodeMetrics(metrics), 200, { 'Content-Type': PROMETHEUS_TYPE })
  }).hono
}

/** Histograms of the attempts and requests of this process. */
function durationMetrics({ meter }: Pick<AppDeps, 'meter'>): Metric[] {
  return [
    {
      name: 'millrace_attempt_seconds',
      help: 'Attempts that ended on this process, and how long they took.',
      type: 'histogram',
      samples: meter.rows.flatMap(({ operation, outcome, durations }) => durations.samples({ operation, outcome })),
    },
    {
      name: 'millrace_request_seconds',
      help: 'Requests that this process answered, and how long it took until the answer began.',
      type: 'histogram',
      samples: meter.requests.flatMap(({ method, status, durations }) =>
        durations.samples({ method, status: String(status) }),
      ),
    },
  ]
}

/** Reads the metrics of the database. Empty where it reports none, as a server by URL and D1 may not. */
async function databaseMetrics({ db }: Pick<AppDeps, 'db'>): Promise<Metric[]> {
  const pages = sql`SELECT (SELECT page_count FROM pragma_page_count()) * (SELECT page_size FROM pragma_page_size()) AS bytes`
  const row = await db.get<{ bytes: number } | undefined>(pages).catch(() => undefined)
  return row === undefined ? [] : [gauge('millrace_database_bytes', 'Size of the database.', row.bytes)]
}

/** Named as Prometheus' own clients name them. */
function processMetrics({ readProcess }: Pick<AppDeps, 'readProcess'>): Metric[] {
  const figures = readProcess?.()
  if (figures === undefined) return []
  const cpu = 'CPU time of this process since its start.'
  return [
    { name: 'process_cpu_seconds_total', help: cpu, type: 'counter', samples: [{ value: figures.cpuSeconds }] },
    gauge('process_resident_memory_bytes', 'Memory that this process holds.', figures.residentBytes),
    gauge('process_start_time_seconds', 'Start of this process, in seconds since the epoch.', figures.startedAt),
    gauge('nodejs_heap_size_used_bytes', "Memory that this process's objects take.", figures.heapBytes),
    gauge(
      'nodejs_eventloop_lag_max_seconds',
      'Longest time that the event loop was late since these figures were read last.',
      figures.eventLoopDelaySeconds,
    ),
  ]
}

function connectionMetrics({ connections }: Pick<AppDeps, 'connections'>): Metric[] {
  if (connections === undefined) return []
  const help = 'Connections beyond MAX_CONNECTIONS since the start, which were answered 503 or closed.'
  return [
    gauge('millrace_connections', 'HTTP connections open on this process.', connections.open),
    {
      name: 'millrace_connections_refused_total',
      help,
      type: 'counter',
      samples: [{ value: connections.refused }],
    },
  ]
}

/** No labels: owners are as many as there are callers. */
async function storageMetrics({ quota }: Pick<AppDeps, 'quota'>): Promise<Metric[]> {
  if (quota === undefined) return []
  const { totalBytes, owners, largestBytes, nearlyFull } = await quota.readUsage()
  return [
    gauge('millrace_stored_bytes', 'Bytes kept for all owners: uploads, artifacts, inputs of jobs.', totalBytes),
    gauge('millrace_stored_bytes_largest_owner', 'Bytes kept for the owner who keeps most.', largestBytes),
    gauge(
      'millrace_stored_bytes_quota',
      'Bytes an owner may keep (MAX_BYTES_PER_OWNER); 0 for no quota.',
      quota.maxBytes,
    ),
    gauge('millrace_storing_owners', 'Owners for whom anything is kept.', owners),
    gauge('millrace_storing_owners_nearly_full', 'Owners who keep more than 80 % of the quota.', nearlyFull),
  ]
}

const gauge = (name: string, help: string, value: number): Metric => ({
  name,
  help,
  type: 'gauge',
  samples: [{ value }],
})
