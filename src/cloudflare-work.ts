/** Work of the Cloudflare runtime: what one invocation runs and sweeps within its share of queries and time. */
import { type Bindings, configOf, diskOf, type Ports } from './cloudflare-ports.ts'
import type { Config } from './config.ts'
import { describeNewerSchema } from './drivers/db-d1-schema.ts'
import { createTimer } from './drivers/dispatch-queues.ts'
import { createCoalescingNotifier } from './drivers/notify-durable-object.ts'
import { observeTime } from './engine/database-time.ts'
import { createDiskWatch } from './engine/disk-watch.ts'
import { orphanPrefixes, sweepOrphans, sweepRateWindows, sweepRetention } from './engine/transitions/retention.ts'
import { forgetVanishedWorkers } from './engine/transitions/sweep.ts'
import { nextWakeupAt } from './engine/worker/next-wakeup.ts'
import { Worker } from './engine/worker/worker.ts'
import { runDueSyncs } from './features/rag/channels/sync-run.ts'
import { runDueSchedules } from './features/schedules/run.ts'
import type { Log } from './ports.ts'
import { createRunner, createSyncRunner } from './scheduler.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

/** Time-out of a message: 15 minutes. Claiming ends long before, so that running jobs can end by themselves. */
const CLAIM_MS = 4 * 60 * 1_000
const GRACE_MS = 2 * 60 * 1_000
/**
 * The part of its queries that an invocation reserves for what runs when claiming ends: to renew the leases, and to write each outcome by
 * itself, which takes some ten to twenty. So there is one slot for each `QUERIES_A_SLOT`. `MAX_NOTICES` bounds the notices sent until then.
 */
const CLAIM_RESERVE = 0.5
const QUERIES_A_SLOT = 50
const MAX_NOTICES = 500
/** The largest part of the slots that is a reserve, where queries allow few. */
const MAX_RESERVED = 1 / 3
/** The part of its queries that a run of the cron trigger spends on sweeping, about; the rest is for work, which others see to as well. */
const SWEEP_SHARE = 0.4
/** The part of its queries that a run of the cron trigger keeps from schedules, for what comes after. */
const SCHEDULE_RESERVE = 0.5
/** Longer leases and rarer beats than on Node: each is a query, and the timer rather than a sweep looks at leases. */
const WORKER_TIMES = { leaseMs: 30_000, beatMs: 2_000, sweepMs: 10_000, retentionMs: DAY_MS }
/** An alarm is never set sooner, so that what can't be done at once is not tried without a pause. */
const SOONEST_MS = 500

/** True once this isolate has looked at the time. */
let sawTime = false
/**
 * Mean duration of recent jobs, in milliseconds, kept between invocations. An invocation with few queries cannot measure it by itself, and must
 * claim many jobs at once where they are quick.
 */
let meanMs: number | undefined

/**
 * Warns where less of D1 is left than is configured, or than a tenth of it, and where its schema is of a newer release. That is no reason to
 * refuse requests: before a deploy the schema is brought up to date, and until it is done this release serves.
 */
async function warnOfDatabase(env: Bindings, log: Log): Promise<void> {
  const disk = diskOf(env)
  if (disk === undefined) return
  const newer = await describeNewerSchema(env.DB)
  if (newer !== null) log.error({ event: 'database.newer_schema' }, newer)
  const { totalBytes } = await disk.space()
  await createDiskWatch(disk, Math.min(configOf(env).lowDiskBytes, totalBytes / 10), log)()
}

/** Works until there is no work, or this message has had its share; then sees to it that the rest is woken for. */
export async function work(env: Bindings, ports: Ports): Promise<void> {
  const { retentionDays, d1Queries } = configOf(env)
  const { clock } = ports
  // Before anything ends by a clock that jumped since an earlier isolate looked; later on the cron trigger looks every minute.
  if (!sawTime) await observeTime(ports, retentionDays * DAY_MS)
  sawTime = true
  const notifier = createCoalescingNotifier(env.BATCHES, ports)
  const timer = createTimer(env.TIMER)
  const until = clock.now() + CLAIM_MS
  const { concurrency, reserve, isLimited } = slotsOf(configOf(env))
  const budgetExhausted = () =>
    ports.queries.left <= CLAIM_RESERVE * d1Queries || notifier.sent >= MAX_NOTICES || clock.now() >= until
  const worker = new Worker(
    { ...ports, notifier },
    {
      id: crypto.randomUUID(),
      host: 'edge',
      pid: 0,
      ...WORKER_TIMES,
      concurrency,
      reserve,
      keepMs: retentionDays * DAY_MS,
      budgetExhausted,
      ...(meanMs === undefined || !isLimited ? {} : { meanMs }),
    },
  )
  let watched = false
  let shared = false
  await worker.drain(() => {
    if (!watched && worker.running > 0) {
      watched = true
      // However this invocation ends, the timer checks its leases.
      ports.keepAlive(timer.set(clock.now() + WORKER_TIMES.leaseMs))
    }
    if (!shared && worker.running >= concurrency) {
      shared = true
      // There may be more than one invocation can run at once.
      ports.dispatcher.wake()
    }
    return !budgetExhausted()
  }, GRACE_MS)
  meanMs = worker.meanMs
  await scheduleNext(ports, timer, watched)
}

/** Jobs that one invocation may run at once, and those of its reserve; `isLimited` where its queries allow fewer than the configuration. */
function slotsOf({ concurrency, concurrencyReserve, d1Queries }: Config) {
  const most = Math.floor(d1Queries / QUERIES_A_SLOT)
  const reserve = Math.min(concurrencyReserve, Math.floor(most * MAX_RESERVED))
  return { concurrency: Math.min(concurrency, most - reserve), reserve, isLimited: most - reserve < concurrency }
}

/** Wakes the next invocation at once where work is due, else sets the timer to when it is. */
async function scheduleNext(ports: Ports, timer: ReturnType<typeof createTimer>, isSet: boolean): Promise<void> {
  const now = ports.clock.now()
  const due = ports.queries.left > 0 ? await nextWakeupAt(ports.db) : 0
  if (due === 0) ports.dispatcher.wake()
  else if (due !== null && due < now + DAY_MS) await timer.set(Math.max(due, now + SOONEST_MS))
  // Clears the timer: work due later is found by the cron trigger, and some is never due.
  else if (isSet) await timer.set(null)
}

/** Begins the batches of schedules that are due, as far as the queries of this invocation go. */
export async function runSchedules(env: Bindings, ports: Ports): Promise<void> {
  const { rateLimits, d1Queries } = configOf(env)
  const runner = createRunner(ports, { perHour: rateLimits, blocks: false })
  await runDueSchedules(runner, () => ports.queries.left > SCHEDULE_RESERVE * d1Queries)
}

/** Processes the channels whose time has come, likewise. */
export async function runSyncs(env: Bindings, ports: Ports): Promise<void> {
  const { rateLimits, d1Queries } = configOf(env)
  const runner = createSyncRunner(ports, { perHour: rateLimits, blocks: false })
  await runDueSyncs(runner, () => ports.queries.left > SCHEDULE_RESERVE * d1Queries)
}

/** Deletes expired rows within a share of the query limit. The sweeps run in order, the ones with the fewest queries first. */
export async function sweep(env: Bindings, ports: Ports, at: Date): Promise<void> {
  const { retentionDays, d1Queries } = configOf(env)
  const first = ports.queries.left
  const upTo = (share: number) => () => ports.queries.left > first - share * Math.min(first, d1Queries)
  await sweepRateWindows(ports, upTo(SWEEP_SHARE / 4))
  if (at.getUTCMinutes() === 0) {
    await warnOfDatabase(env, ports.log)
    const goOn = upTo(SWEEP_SHARE / 2)
    await forgetVanishedWorkers(ports)
    for (const under of orphanPrefixes(at.getTime())) await sweepOrphans(ports, { under, goOn })
    // Once a day over all uploads, for orphans left while no cron trigger ran.
    if (at.getUTCHours() === 0) await sweepOrphans(ports, { goOn })
  }
  await sweepRetention(ports, retentionDays * DAY_MS, upTo(SWEEP_SHARE))
}
