/** Limits the JSON bodies of the document surface; uploads have their own limits. */
import { limitBody } from '../../http/middleware/request-limits.ts'

export const limitJson = limitBody(
  10 * 1024 * 1024,
  'A body of this kind may hold 10 MB. POST /api/public/bulk/uploads takes larger documents.',
)
