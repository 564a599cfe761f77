/** Error formats: how each family of surfaces words an error, and the schema that its clients know. */
import type * as z from 'zod'
import type { MillraceError } from '../../errors.ts'
import { FieldIssue } from '../request/fields.ts'
import { CardErrorBody, ChunkErrorBody, DetailBody, ErrorBody } from './error-bodies.ts'

/** The shape of a surface's errors. */
export interface ErrorFormat<T extends object = object> {
  readonly schema: z.ZodType<T>
  /** @param requestId names the request in the log; absent where there is none */
  body(error: MillraceError, requestId?: string): T
}

/** A code, a sentence and the field, as the native and the heat-sheet surface have it; also what belongs to no surface. */
export const CODED_ERRORS: ErrorFormat<ErrorBody> = {
  schema: ErrorBody,
  body(error, requestId) {
    const field = error.details?.field
    return {
      success: false,
      error: error.code,
      message: error.message,
      ...(typeof field === 'string' ? { field } : {}),
      ...(requestId === undefined ? {} : { requestId }),
    }
  },
}

/** `{detail}`: a sentence, or the list of a 422, as FastAPI has it. */
export const DETAIL_ERRORS: ErrorFormat<DetailBody> = {
  schema: DetailBody,
  body(error) {
    const issues = FieldIssue.array().safeParse(error.details?.issues)
    return { detail: issues.success ? issues.data : error.message }
  },
}

/**
 * `{detail}` with a sentence, as the card surface has it. A key is refused with the sentence that its clients know; a token, whose claims are
 * wrong, with the reason.
 */
export const SENTENCE_ERRORS: ErrorFormat<CardErrorBody> = {
  schema: CardErrorBody,
  body(error) {
    const isKey = error.code === 'UNAUTHORIZED' && error.details?.claim === undefined
    return { detail: isKey ? 'Invalid or missing API key' : error.message }
  },
}

/** `{error}` with a sentence, as the chunk surface has it. */
export const PLAIN_ERRORS: ErrorFormat<ChunkErrorBody> = {
  schema: ChunkErrorBody,
  body: (error) => ({ error: error.message }),
}
