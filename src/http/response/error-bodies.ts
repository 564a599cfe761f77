/** Error bodies: the shape that each surface gives its errors. */
import * as z from 'zod'
import { FieldIssue } from '../request/fields.ts'

/** The error body of the heat-sheet and native surfaces. */
export const ErrorBody = z
  .object({
    success: z.literal(false),
    error: z.string().describe('A code of upper-case words; stable.'),
    message: z.string().describe('A sentence for the person who reads it.'),
    field: z.string().optional().describe('The field that was wrong, where one was.'),
    requestId: z.string().optional().describe("Names the request in the server's log; `X-Request-Id` as well."),
  })
  .meta({ id: 'ErrorBody' })
export type ErrorBody = z.infer<typeof ErrorBody>

/** The error body of everything under `/api/v1`: a sentence, or for 422 a list. */
export const DetailBody = z.object({ detail: z.union([z.string(), z.array(FieldIssue)]) }).meta({ id: 'DetailBody' })
export type DetailBody = z.infer<typeof DetailBody>

/** The error body of the chunk surface. */
export const ChunkErrorBody = z.object({ error: z.string() }).meta({ id: 'ChunkErrorBody' })
export type ChunkErrorBody = z.infer<typeof ChunkErrorBody>

/** The error body of the card surface. */
export const CardErrorBody = z.object({ detail: z.string() }).meta({ id: 'CardErrorBody' })
export type CardErrorBody = z.infer<typeof CardErrorBody>

/** The error body of the document surface. */
export const ProcessingErrorBody = z
  .object({
    success: z.literal(false),
    error: z.string().describe('A code of lower-case words; stable.'),
    message: z.string().describe('A sentence for the person who reads it.'),
    details: z
      .object({ field: z.string().describe('Its whole path: `embedding_model.dimensions`.'), issue: z.string() })
      .optional()
      .describe('The field that was wrong, where one was, and what is wrong with it.'),
    retry_after: z.int().optional().describe('Seconds after which to try again.'),
    request_id: z.string().optional().describe("Names the request in the server's log; `X-Request-Id` as well."),
  })
  .meta({ id: 'ProcessingErrorBody' })
export type ProcessingErrorBody = z.infer<typeof ProcessingErrorBody>
