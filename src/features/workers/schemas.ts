/** Schemas of declared operations, and of the requests and answers of workers over HTTP. */
import * as z from 'zod'
import { list, text } from '../../http/request/fields.ts'
import { findSchemaFault } from './schema-bounds.ts'

/** Most jobs in one request. docs/workers.md states it. */
export const MAX_JOBS = 200
const MAX_OPERATIONS = 10
const MAX_SCHEMA_BYTES = 64_000

/** Names of operations, as `defineOperation` takes them. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** A name that is taken: the document of a caller's operations is at the path of an operation of this name. */
export const DOCUMENT_NAME = 'openapi.json'
export const OperationName = z
  .string('Expected a name.')
  .regex(NAME, 'Expected 1 to 64 letters, digits, ".", "_" and "-", such as "images.resize".')
  .refine((name) => name !== DOCUMENT_NAME, `Expected another name: "${DOCUMENT_NAME}" is a path of its own.`)

/** Any JSON value. */
const AnyJson = z.unknown()

const JsonSchema = z
  .unknown()
  .superRefine((value, ctx) => {
    if (value === undefined) return
    if (JSON.stringify(value).length > MAX_SCHEMA_BYTES) {
      ctx.addIssue({
        code: 'custom',
        message: `Expected at most ${MAX_SCHEMA_BYTES.toLocaleString('en')} bytes of JSON.`,
      })
      return
    }
    const fault = findSchemaFault(value)
    if (fault !== null) ctx.addIssue({ code: 'custom', message: fault.message, path: [...fault.path] })
  })
  .describe('JSON Schema, 2020-12.')

const seconds = (min: number, max: number) =>
  z
    .number(`Expected a number of seconds from ${min} to ${max.toLocaleString('en')}.`)
    .min(min, `Expected a number of seconds from ${min} to ${max.toLocaleString('en')}.`)
    .max(max, `Expected a number of seconds from ${min} to ${max.toLocaleString('en')}.`)

/** `PUT /api/operations/:name`, and an element of `OPERATIONS` beside its name. */
export const OperationDeclaration = z
  .strictObject({
    description: text({ max: 1_000 }).optional().describe('Sentence for those who read of it.'),
    item: JsonSchema.optional().describe('JSON Schema of an item. Without it every JSON value is accepted.'),
    result: JsonSchema.optional().describe('JSON Schema of what a job gives. Without it every JSON value is accepted.'),
    input: JsonSchema.optional().describe(
      'JSON Schema of what holds for a whole batch. Without it every JSON value is accepted.',
    ),
    concurrency: z.int().min(1).max(10_000).optional().describe('Jobs of a batch that run at once. Default: no limit.'),
    maxAttempts: z.int().min(1).max(20).optional().describe('Tries a job. Default: 3.'),
    timeLimitSeconds: seconds(1, 7 * 86_400)
      .optional()
      .describe('How long an attempt may take. Default: 3,600.'),
    backoff: z
      .strictObject({ firstSeconds: seconds(0, 86_400), maxSeconds: seconds(0, 86_400).optional() })
      .optional()
      .describe('Pause after the first failure, doubled by each further one up to a bound. Default: 1 s, up to 60 s.'),
    maxJobs: z.int().min(1).max(100_000_000).optional().describe('Items that a batch may have.'),
  })
  .meta({ id: 'OperationDeclaration' })
export type OperationDeclaration = z.infer<typeof OperationDeclaration>

/** An operation as its owner sees it. */
export const DeclaredOperation = z
  .object({
    name: z.string(),
    definition: z.object(OperationDeclaration.shape),
    declaredBy: z.enum(['you', 'configuration']).describe('What the configuration declares is for every owner.'),
    updatedAt: z.iso.datetime().nullable().describe('Null for one of the configuration.'),
    lastWorkerAt: z.iso
      .datetime()
      .nullable()
      .describe('When a worker last asked for its jobs, to some seconds; null for never.'),
    working: z
      .boolean()
      .describe('False where no worker asked for its jobs in the last minute: they wait until one does.'),
  })
  .meta({ id: 'DeclaredOperation' })
export type DeclaredOperation = z.infer<typeof DeclaredOperation>

export const OperationAnswer = z
  .object({ success: z.literal(true), operation: DeclaredOperation })
  .meta({ id: 'OperationAnswer' })
export type OperationAnswer = z.infer<typeof OperationAnswer>
export const OperationList = z
  .object({ success: z.literal(true), operations: z.array(DeclaredOperation) })
  .meta({ id: 'OperationList' })
export type OperationList = z.infer<typeof OperationList>
export const OperationDeleted = z
  .object({ success: z.literal(true), name: z.string() })
  .meta({ id: 'OperationDeleted' })

const LeaseSeconds = seconds(5, 3_600)
  .optional()
  .describe("How long the jobs are the worker's without a heartbeat, from 5 to 3,600. Default: 30.")

const Claim = {
  operations: list(OperationName, MAX_OPERATIONS).refine((names) => names.length > 0, 'Expected at least one name.'),
  max: z.int().min(1).max(MAX_JOBS).optional().describe(`Jobs at most, up to ${MAX_JOBS}. Default: 1.`),
  leaseSeconds: LeaseSeconds,
}

/** `POST /api/workers/claim`. */
export const ClaimJobs = z
  .strictObject({
    ...Claim,
    wait: seconds(0, 30).optional().describe('Seconds to wait where there is no job, up to 30. Default: 0.'),
  })
  .meta({ id: 'ClaimJobs' })
export type ClaimJobs = z.infer<typeof ClaimJobs>

/** A job that a worker claimed. */
export const ClaimedJob = z
  .object({
    id: z.string(),
    lease: z.string().describe('Names this claim in every later call about the job.'),
    operation: z.string(),
    batchId: z.string(),
    owner: z.string(),
    index: z.int().describe('Place of the item in its batch, from 0.'),
    itemId: z.string().nullable().describe("The caller's own id of the item."),
    attempt: z.int().describe('1 for the first try.'),
    maxAttempts: z.int(),
    item: AnyJson,
    input: AnyJson.describe('What holds for the whole batch.'),
    checkpoint: AnyJson.describe('What an earlier run kept; null for none.'),
  })
  .meta({ id: 'ClaimedJob' })
export type ClaimedJob = z.infer<typeof ClaimedJob>

export const ClaimedJobs = z
  .object({
    success: z.literal(true),
    jobs: z.array(ClaimedJob),
    leaseSeconds: z.number().describe('The leases end after so long without a heartbeat.'),
  })
  .meta({ id: 'ClaimedJobs' })
export type ClaimedJobs = z.infer<typeof ClaimedJobs>

const held = { id: z.string().max(128), lease: z.string().max(128) }

const Progress = z.strictObject({
  percent: z.number().min(0).max(100),
  message: text({ max: 1_000 }).optional(),
  stage: text({ max: 64 }).optional().describe("The operation's own word for what it is doing."),
})

/** `POST /api/workers/heartbeat`. */
export const WorkerHeartbeat = z
  .strictObject({
    jobs: list(z.strictObject({ ...held, progress: Progress.optional(), checkpoint: AnyJson.optional() }), MAX_JOBS),
    leaseSeconds: LeaseSeconds,
  })
  .meta({ id: 'WorkerHeartbeat' })
export type WorkerHeartbeat = z.infer<typeof WorkerHeartbeat>

export const WorkerHeartbeatAnswer = z
  .object({
    success: z.literal(true),
    held: z.array(z.string()).describe('Jobs whose leases are renewed.'),
    cancelled: z
      .array(
        z.object({
          id: z.string(),
          reason: z.enum(['CANCELLED', 'DEADLINE_EXCEEDED', 'BUDGET_EXCEEDED', 'SUPERSEDED', 'TIMEOUT']),
        }),
      )
      .describe(
        'Jobs to stop: their batch was stopped, or they took too long. They have ended; nothing more is taken of them.',
      ),
    lost: z.array(z.string()).describe("Jobs that are no longer this worker's: another may run them."),
  })
  .meta({ id: 'WorkerHeartbeatAnswer' })
export type WorkerHeartbeatAnswer = z.infer<typeof WorkerHeartbeatAnswer>

const JobError = z.strictObject({
  message: text({ min: 1, max: 10_000 }),
  retryable: z.boolean().optional().describe('False to fail the job at once. Default: true.'),
  retryAfterSeconds: seconds(0, 7 * 86_400)
    .optional()
    .describe('Pause before the next attempt, in place of the backoff.'),
})

const ENDS = ['result', 'error', 'continue', 'release'] as const
const MAX_TALLIES = 20

const Ended = z
  .strictObject({
    ...held,
    result: AnyJson.optional().describe('What the job gives: JSON of at most 1 MB that the schema of results accepts.'),
    error: JobError.optional(),
    continue: z.literal(true).optional().describe('Goes on in a fresh run, which is no attempt.'),
    release: z.literal(true).optional().describe('Hands the job back: nothing of it was done.'),
    checkpoint: AnyJson.optional().describe('Kept for the next run, with `continue`, `release` and `error`.'),
    delaySeconds: seconds(0, 7 * 86_400)
      .optional()
      .describe('Pause before the fresh run, with `continue`.'),
    tallies: z
      .record(z.string().min(1).max(64), z.number())
      .refine((tallies) => Object.keys(tallies).length <= MAX_TALLIES, `Expected at most ${MAX_TALLIES} tallies.`)
      .optional()
      .describe('Numbers summed over the batch, with `result`.'),
  })
  .refine((job) => ENDS.filter((end) => end in job).length === 1, `Expected one of: ${ENDS.join(', ')}.`)

/** `POST /api/workers/complete`. */
export const CompleteJobs = z
  .strictObject({
    jobs: list(Ended, MAX_JOBS),
    claim: z
      .strictObject(Claim)
      .optional()
      .describe('Claims the next jobs in the same commit, as `POST /api/workers/claim` does without a wait.'),
  })
  .meta({ id: 'CompleteJobs' })
export type Ended = z.infer<typeof Ended>

const JobWritten = z.object({
  id: z.string(),
  status: z
    .union([z.literal(200), z.literal(409), z.literal(422)])
    .describe('200: written. 409: the lease was lost. 422: the result is not as declared; the lease remains.'),
  field: z.string().optional().describe('Field that is wrong: `jobs.3.result.width`.'),
  message: z.string().optional(),
})
export type JobWritten = z.infer<typeof JobWritten>

export const CompletedJobs = z
  .object({
    success: z.boolean().describe('False where any was refused.'),
    jobs: z.array(JobWritten),
    claimed: z
      .array(ClaimedJob)
      .optional()
      .describe('Jobs that were claimed, with `claim` alone; of one operation, and none where there were none.'),
  })
  .meta({ id: 'CompletedJobs' })
export type CompletedJobs = z.infer<typeof CompletedJobs>
