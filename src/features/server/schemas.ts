/** Schemas of what the server reports about itself. */
import * as z from 'zod'

/** `GET /healthz`. */
export const Alive = z.object({ status: z.literal('ok') }).meta({ id: 'Alive' })
export type Alive = z.infer<typeof Alive>

/** `GET /readyz`: 200, or 503 with what is wrong. `files` is there where the database is well, but the folder of files is not. */
export const Ready = z.object({ status: z.literal('ready') }).meta({ id: 'Ready' })
export type Ready = z.infer<typeof Ready>
export const NotReady = z
  .object({
    status: z.literal('unavailable'),
    database: z.string(),
    files: z.string().optional(),
  })
  .meta({ id: 'NotReady' })
export type NotReady = z.infer<typeof NotReady>
