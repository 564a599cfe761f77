/** Error formats: how each family of surfaces words an error, and the schema that its clients know. */
import type * as z from 'zod'
import type { MillraceError } from '../../errors.ts'
import { FieldIssue } from '../request/fields.ts'
import { type Refuse, refuseAll, refuseFirst, refuseInSentence } from '../request/refusals.ts'
import { CardErrorBody, ChunkErrorBody, DetailBody, ErrorBody, ProcessingErrorBody } from './error-bodies.ts'

/** The shape of a surface's errors. */
export interface ErrorFormat<T extends object = object> {
  readonly schema: z.ZodType<T>
  /** @param requestId names the request in the log; absent where there is none */
  body(error: MillraceError, requestId?: string): T
  /** Makes the error for what a schema does not take: the hook of its validators. */
  readonly refuse: Refuse
}

/** A code, a sentence and the field, as the native and the heat-sheet surface have it; also what belongs to no surface. */
export const CODED_ERRORS: ErrorFormat<ErrorBody> = {
  schema: ErrorBody,
  refuse: refuseFirst,
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
  refuse: refuseAll,
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
  refuse: refuseFirst,
  body(error) {
    const isKey = error.code === 'UNAUTHORIZED' && error.details?.claim === undefined
    return { detail: isKey ? 'Invalid or missing API key' : error.message }
  },
}

/** `{error}` with a sentence, as the chunk surface has it. */
export const PLAIN_ERRORS: ErrorFormat<ChunkErrorBody> = {
  schema: ChunkErrorBody,
  refuse: refuseInSentence,
  body: (error) => ({ error: error.message }),
}

/** Codes that clients of the document surface know by another word than our own in lower case. */
const PROCESSING_CODES: Readonly<Partial<Record<MillraceError['code'], string>>> = {
  INVALID_REQUEST: 'validation_error',
  RATE_LIMIT: 'rate_limit_exceeded',
  UNKNOWN: 'processing_error',
}

/** A code of lower-case words, a sentence, and the field with what is wrong with it, as the document surface has it. */
export const PROCESSING_ERRORS: ErrorFormat<ProcessingErrorBody> = {
  schema: ProcessingErrorBody,
  refuse: refuseFirst,
  body({ code, message, details }, requestId) {
    const { field, retryAfter } = details ?? {}
    const prefix = `${field}: `
    const issue = message.startsWith(prefix) ? message.slice(prefix.length) : message
    return {
      success: false,
      error: PROCESSING_CODES[code] ?? code.toLowerCase(),
      message,
      ...(typeof field === 'string' && field !== '' ? { details: { field, issue } } : {}),
      ...(typeof retryAfter === 'number' ? { retry_after: retryAfter } : {}),
      ...(requestId === undefined ? {} : { request_id: requestId }),
    }
  },
}
