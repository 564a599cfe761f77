/** The operation `resources.write`: runs updates and deletes that are too many for one request. A job writes a slice of them. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { BatchPlan, JobPlan, Operation } from '../../operation.ts'
import { ItemOutcome } from './schemas.ts'
import { check, present, statements, Write, whose, writable } from './write.ts'

/** Most items of a job, and most bytes: a job's input is one value in the database. */
const SLICE = { items: 100, bytes: 500_000 }

const BatchInput = Write.omit({ items: true })
const Slice = Write.pick({ items: true })
const Result = z.object({ results: z.array(ItemOutcome) })

export const resourceWrite: Operation = {
  name: 'resources.write',
  // Sequential, so that the later of two changes to the same row wins.
  concurrency: 1,
  maxAttempts: 3,
  timeLimitMs: 60_000,
  summaryDefaults: { succeeded: 0, failed: 0 },

  plan(request) {
    const { items, ...input } = Write.parse(request)
    writable(input.resource_type, input.action)
    return { input, facts: input, jobs: cut(items, 0) }
  },

  fromItems: null,
  // An item is what the fields of a resource are to be.
  contentScope: 'resources:read',

  async run(job, ctx) {
    const write = { ...BatchInput.parse(job.batchInput), ...Slice.parse(job.input) }
    const resource = writable(write.resource_type, write.action)
    const checked = check(resource, write)
    const found = await whose(ctx.db, resource, job.owner, checked.changes.keys())
    const results = present(resource, write, checked, found)
    const succeeded = results.filter(({ status }) => status === 'success').length
    const counts = { succeeded, failed: results.length - succeeded }
    return {
      result: { results },
      summary: counts,
      tallies: counts,
      writes: (held) =>
        statements(ctx.db, resource, {
          action: write.action,
          owner: job.owner,
          changes: checked.changes,
          now: ctx.clock.now(),
          condition: held,
        }),
    }
  },

  batchTotals: (tallies) => ({ total_succeeded: tallies.succeeded ?? 0, total_failed: tallies.failed ?? 0 }),

  merge(batchInput, jobs) {
    const results = jobs.flatMap(({ result }) => Result.parse(result).results)
    const succeeded = results.filter(({ status }) => status === 'success').length
    return {
      resource_type: BatchInput.parse(batchInput).resource_type,
      results,
      total_requested: results.length,
      total_succeeded: succeeded,
      total_failed: results.length - succeeded,
    }
  },
}

/** Items that are cut into jobs before the event loop is yielded; a multiple of those of a job. */
const TURN_ITEMS = 10 * SLICE.items

/**
 * Plans as the operation does, for a validated request of many items, without blocking the event loop.
 * @param pause yields the event loop
 */
export async function planWrite({ items, ...input }: Write, pause: () => Promise<void>): Promise<BatchPlan> {
  writable(input.resource_type, input.action)
  const jobs: JobPlan[] = []
  for (let first = 0; first < items.length; first += TURN_ITEMS) {
    await pause()
    jobs.push(...cut(items.slice(first, first + TURN_ITEMS), first))
  }
  return { input, facts: input, jobs }
}

/** Cuts items into jobs, in order. @param first index of the first of them in the request */
function cut(items: Write['items'], first: number): JobPlan[] {
  const jobs: JobPlan[] = []
  let slice: Write['items'] = []
  let bytes = 0
  const close = (end: number) => {
    if (slice.length > 0)
      jobs.push({ input: { items: slice }, label: `${first + end - slice.length + 1}–${first + end}` })
    slice = []
    bytes = 0
  }
  for (const [index, item] of items.entries()) {
    const size = new TextEncoder().encode(JSON.stringify(item)).byteLength
    if (size > SLICE.bytes) {
      throw new MillraceError('INVALID_REQUEST', `items.${first + index} is larger than ${SLICE.bytes / 1_000} KB.`, {
        details: { field: `items.${first + index}` },
      })
    }
    if (slice.length === SLICE.items || bytes + size > SLICE.bytes) close(index)
    slice.push(item)
    bytes += size
  }
  close(items.length)
  return jobs
}
