/** Streams a job's state over a WebSocket: the current one, then each change until the job ends. */
import type { Context, Hono } from 'hono'
import { MillraceError } from '../../errors.ts'
import { StreamAuthMonitor } from '../../http/auth/stream-auth-monitor.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Endpoint } from '../../http/openapi/endpoint.ts'
import { PROCESSING_ERRORS } from '../../http/response/error-formats.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import type { StateMessage } from '../../live/state-channel.ts'
import type { EndReason, Sink } from '../../ports.ts'
import { FollowMessage } from './follow-schemas.ts'
import { MOUNT } from './names.ts'
import { findJob, readStatus } from './queries/jobs.ts'
import { JobPath, type ProcessStatus } from './schemas.ts'

const followProcessing = {
  route: 'GET /api/public/bulk/ws/bulk-processing/:job_id',
  id: 'followProcessing',
  summary: 'Follow a job over a WebSocket',
  description:
    'The state as it is comes first, then each change, the newest alone where the client is slow. `completed` or `error` is the last message, and the socket closes with 1000. A call that asks for no socket is answered 404 where there is no such job, and 426 where there is. Other codes: 4404 there is no such job, 1012 connect again, 1013 the server is full, 1009 a message was too large, 1008 the credential is no longer valid.',
  access: 'link',
  path: JobPath,
  answers: {
    101: { description: 'The socket.', content: { 'application/json': { schema: FollowMessage } } },
  },
  errors: [404, 426],
} satisfies Endpoint

const NO_JOB = 'There is no job with this id.'

export const endpoints: readonly Endpoint[] = [followProcessing]

/** `GET /ws/bulk-processing/:job_id`, a WebSocket. */
export function followRoutes(deps: AppDeps): Hono<Env> {
  const credentials = new StreamAuthMonitor(deps)
  return new Routes(MOUNT, PROCESSING_ERRORS).add(followProcessing, (c) => follow(c, { ...deps, credentials })).hono
}

type FollowDeps = AppDeps & { readonly credentials: StreamAuthMonitor }

async function follow(c: RouteContext<typeof followProcessing>, deps: FollowDeps): Promise<Response> {
  const { owner, credential } = c.get('caller')
  const name = c.req.valid('param').job_id
  const job = await findJob(deps.db, owner, name)
  if (c.req.header('Upgrade')?.toLowerCase() !== 'websocket') throw refusePlain(c, job !== null)
  // No await between this check and `hold`: otherwise two requests could take the last connection.
  const full = deps.hub.fullFor(owner)
  const { response, sink } = deps.openSocket(c.env)
  if (full !== null) sink.end('full')
  else if (job === null) endUnknown(sink, name)
  else {
    deps.hub.hold(owner, sink)
    deps.credentials.watch(sink, credential)
    let shown = 0
    deps.hub.followState(job.id, sink, async (db) => {
      const state = await readStatus(db, job.id)
      if (state === null) return unknownJob(job.name)
      // The retry of a document begins anew; followers still see a progress that never decreases.
      shown = Math.max(shown, state.progress)
      return messageOf({ ...state, progress: shown })
    })
  }
  // Returned unchanged: a copy with the headers of middleware would lose the accepted WebSocket.
  c.res = undefined
  c.res = response
  return response
}

/** Makes the error of a request without an upgrade: 404 for an unknown job, else 426. */
function refusePlain(c: Context<Env>, isKnown: boolean): MillraceError {
  if (!isKnown) return new MillraceError('NOT_FOUND', NO_JOB)
  c.header('Upgrade', 'websocket')
  return new MillraceError(
    'UPGRADE_REQUIRED',
    'This address is a WebSocket’s. Open it with ws:// or wss://, or poll /job/{job_id}/status.',
  )
}

function endUnknown(sink: Sink, name: string): void {
  const { bytes, end } = unknownJob(name)
  sink.write(bytes)
  sink.end(end ?? 'unknown')
}

const unknownJob = (name: string) =>
  encode({ type: 'error', job_id: name, status: 'not_found', message: NO_JOB }, 'unknown')

/** Makes the message of a job's state. State and end come from one read, so no message reports the end too early. */
export function messageOf(state: ProcessStatus): StateMessage {
  const { job_id, status, progress, stage, result } = state
  if (result === null) {
    const { content_processed: contentProcessed, embeddings } = state
    return encode({ type: 'progress', job_id, progress, stage, contentProcessed, embeddings, status }, null)
  }
  if (status === 'completed') {
    const { completed_items } = result
    return encode({ type: 'completed', job_id, progress: 100, stage, status, completed_items, result }, 'finished')
  }
  return encode({ type: 'error', job_id, status, message: state.error ?? stage }, 'finished')
}

function encode(message: FollowMessage, end: EndReason | null): StateMessage {
  return { bytes: new TextEncoder().encode(JSON.stringify(message)), end }
}
