/** Serves metrics for an operator's monitoring: `GET /metrics`. */
import { Hono } from 'hono'
import { readQueueDepth } from '../../engine/queue-depth.ts'
import { encodeMetrics, type Metric, PROMETHEUS_TYPE } from '../../formats/prometheus.ts'
import type { AppDeps, Env } from '../../http/context.ts'

/** `GET /metrics`: depth of the queue, workers, streams, and what this process's worker did by operation. */
export function metricsRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>().get('/metrics', async (c) => {
    const { jobs, workers } = await readQueueDepth(deps.db, deps.clock.now())
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
      {
        name: 'millrace_attempt_seconds',
        help: 'Attempts that ended on this process, and how long they took.',
        type: 'summary',
        samples: deps.meter.rows.flatMap(({ operation, outcome, count, seconds }) => [
          { suffix: '_count', labels: { operation, outcome }, value: count },
          { suffix: '_sum', labels: { operation, outcome }, value: seconds },
        ]),
      },
    ]
    return c.body(encodeMetrics(metrics), 200, { 'Content-Type': PROMETHEUS_TYPE })
  })
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
