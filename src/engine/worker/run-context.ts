/** The context of one run of a job: its progress goes to the progress board, and what it stores is stored under its lease. */

import type { LanguageModel } from '../../language-model.ts'
import type { MediaLister } from '../../media-ports.ts'
import type { RunContext } from '../../operation.ts'
import type { Clock, Database, Dispatcher, Log, Notifier, VectorServices } from '../../ports.ts'
import type { Speech } from '../../speech-ports.ts'
import { yieldToEventLoop } from '../chunked-work.ts'
import type { StorageQuota } from '../storage-quota.ts'
import { keepCheckpoint } from '../transitions/heartbeat.ts'
import { appendJobs, sealChained } from '../transitions/open-batches.ts'
import { Stopped } from './attempt.ts'
import type { LeasedJob } from './leased-jobs.ts'
import { type OwnerPorts, portsOfOwner } from './owner-ports.ts'
import type { ProgressBoard } from './progress.ts'

const NO_SPEECH: Speech = { transcriber: null, decoder: null, local: null }

/**
 * Opens the context of a run.
 * @param budgetExhausted returns true once the budget of the runtime is used up
 * @returns the context, and what to call when the run is over, which gives the name that the run found for its file; null for none
 */
export function openRunContext(
  deps: OwnerPorts & {
    readonly clock: Clock
    readonly db: Database
    readonly dispatcher: Dispatcher
    readonly notifier: Notifier
    readonly log: Log
    readonly quota?: StorageQuota
    readonly speech?: Speech
    readonly languageModel?: LanguageModel | null
    readonly vectors?: VectorServices | null
    readonly media?: MediaLister | null
  },
  board: ProgressBoard,
  { job, stop }: Pick<LeasedJob, 'job' | 'stop'>,
  budgetExhausted: () => boolean,
): { readonly ctx: RunContext; readonly close: () => string | null } {
  const owned = portsOfOwner(deps, job.owner)
  let renamedTo: string | null = null
  const ctx: RunContext = {
    signal: stop.signal,
    progress(percent, message, stage) {
      if (!stop.signal.aborted) board.put(job, { percent, message, stage: stage ?? null })
    },
    rename(filename) {
      if (stop.signal.aborted || filename === job.filename) return
      renamedTo = filename
      job.filename = filename
      board.rename(job)
    },
    async checkpoint(state) {
      if (await keepCheckpoint(deps.db, job, state)) return
      stop.abort(new Stopped('lost'))
      stop.signal.throwIfAborted()
    },
    budgetExhausted,
    yield: yieldToEventLoop,
    clock: deps.clock,
    db: deps.db,
    log: deps.log,
    speech: deps.speech ?? NO_SPEECH,
    languageModel: deps.languageModel ?? null,
    vectors: deps.vectors ?? null,
    openBatches: {
      append: (batch, first, jobs) => appendJobs(deps, batch, first, jobs),
      seal: (id, from, errors) => sealChained(deps, { id, from }, errors),
    },
    media: deps.media ?? null,
    ...owned.ports,
  }
  const close = () => {
    owned.release()
    return renamedTo
  }
  return { ctx, close }
}
