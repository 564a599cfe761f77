/** Messages of the WebSocket that follows a job. */
import * as z from 'zod'
import { PROCESS_STATUSES, ProcessResult } from './schemas.ts'

/** The messages: any number of `progress`, then one of the others. */
export const FollowMessage = z
  .union([
    z.object({
      type: z.literal('progress'),
      job_id: z.string(),
      progress: z.number(),
      stage: z.string(),
      contentProcessed: z.int(),
      embeddings: z.int(),
      status: z.enum(PROCESS_STATUSES),
    }),
    z.object({
      type: z.literal('completed'),
      job_id: z.string(),
      progress: z.literal(100),
      stage: z.string(),
      status: z.literal('completed'),
      completed_items: z.int(),
      result: ProcessResult,
    }),
    z.object({ type: z.literal('error'), job_id: z.string(), status: z.string(), message: z.string() }),
  ])
  .meta({ id: 'FollowMessage' })
export type FollowMessage = z.infer<typeof FollowMessage>
