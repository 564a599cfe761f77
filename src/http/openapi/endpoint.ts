/**
 * Description of a route, beside its handler. Requests are checked by it (`http/routes.ts`), and the document at `/openapi.json` is
 * generated from it, by code that is loaded at the first request for it.
 */
import type * as z from 'zod'
import type { ErrorStatus, RequestHeader, ResponseHeader } from './texts.ts'

export type { ErrorStatus }

/** Schema and examples of one content type of a request body or an answer. */
export interface Content {
  readonly schema: z.ZodType
  /** Requests that a server takes as they stand here; a test sends each. A text stands for itself, anything else for its JSON. */
  readonly examples?: Readonly<Record<string, unknown>>
  /** Of `text/event-stream`: what the data of an event is. */
  readonly eventData?: z.ZodType
  /** Of a JSON body with a list that may be long: checked instead of `schema`, in parts, so that no check blocks the event loop. */
  readonly longList?: LongList
}

/** Describes how a body with a long list is checked: first the frame, then the elements of the list, some at a time. */
interface LongList {
  /** Name of the member that is the list. */
  readonly name: string
  /** Schema of the body that takes any elements. */
  readonly frame: z.ZodType
  /** Schema of an element. */
  readonly element: z.ZodType
}

/** An answer that is no error. */
export interface Answer {
  readonly description: string
  /** By content type; absent where there is no body. */
  readonly content?: Readonly<Record<string, Content>>
  readonly headers?: readonly ResponseHeader[]
}

/** Parameters by name; others are refused. */
export type Parameters = z.ZodObject<z.core.$ZodLooseShape, z.core.$strict>

/** A route. */
export interface Endpoint {
  /** As Hono has it: `POST /api/batch/:id/items`. */
  readonly route: `${'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} /${string}`
  /** The operation's id: a word for generated clients. */
  readonly id: string
  readonly summary: string
  readonly description?: string
  /** Callers that are allowed. Default: callers with a key. `link`: also by the token that a signed link carries. */
  readonly access?: 'public' | 'link'
  /** Parameters of the path. */
  readonly path?: Parameters
  /** Parameters of the query string. Default: it takes none. `any`: those that are sent are passed over, on pages that people pass on. */
  readonly query?: Parameters | 'any'
  readonly headers?: readonly RequestHeader[]
  /** By content type. */
  readonly body?: Readonly<Record<string, Content>>
  readonly bodyMayBeLeftOut?: boolean
  /** True where the handler takes the body as it comes in, and stores it unread: it is not checked before. */
  readonly bodyIsStreamed?: boolean
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses of errors beside those that any route may answer with. */
  readonly errors?: readonly ErrorStatus[]
}

/** A surface as the document describes it. */
export interface DescribedSurface {
  /** One upper-case word; names its errors. */
  readonly name: string
  readonly description: string
  readonly error: z.ZodType
  /** Status of its errors about what a schema does not take. */
  readonly invalid: ErrorStatus
  readonly endpoints: readonly Endpoint[]
}

/** An answer in JSON. */
export function json<S extends z.ZodType>(
  description: string,
  schema: S,
  headers: readonly ResponseHeader[] = [],
): Answer & { readonly content: { readonly 'application/json': { readonly schema: S } } } {
  return { description, content: { 'application/json': { schema } }, headers }
}

/** A JSON body. */
export function jsonBody<S extends z.ZodType>(
  schema: S,
  examples: Readonly<Record<string, unknown>>,
): { readonly 'application/json': Content & { readonly schema: S } } {
  return { 'application/json': { schema, examples } }
}

/** A JSON body with a list that may be long. */
export function longJsonBody<
  N extends string,
  F extends z.ZodType<Readonly<Record<N, readonly unknown[]>>>,
  E extends z.ZodType,
>(
  schema: z.ZodType,
  longList: { readonly name: N; readonly frame: F; readonly element: E },
  examples: Readonly<Record<string, unknown>>,
): { readonly 'application/json': Content & { readonly longList: typeof longList } } {
  return { 'application/json': { schema, examples, longList } }
}

/** The answer to `If-None-Match` that names what is there. */
export const NOT_MODIFIED: Answer = { description: 'Nothing changed.', headers: ['ETag'] }

/** The answers to a download, whole or in part. @param content by content type */
export const downloadAnswers = (content: Answer['content'] & {}) =>
  ({
    200: { description: 'The file.', content, headers: ['ETag', 'Content-Disposition'] },
    206: { description: 'A part of it.', content, headers: ['ETag', 'Content-Disposition', 'Content-Range'] },
    304: NOT_MODIFIED,
    416: { description: 'There is no such part.', headers: ['Content-Range'] },
  }) satisfies Readonly<Record<number, Answer>>
