/** Sentences of the document that many routes share: headers, and statuses of errors. */

/** Headers that requests may carry beside those of HTTP that every client knows. */
export const REQUEST_HEADERS = {
  'Idempotency-Key':
    'A name of your own for what this request begins, of letters, digits and `. _ : -`, at most 128. The same request repeated under it is answered with the result of the first; another is refused (422). It may stand wherever an id is taken.',
  'Last-Event-ID':
    'Number of the last event the caller has; the stream goes on after it. Browsers send it when they come back.',
  'If-None-Match': 'The `ETag` of the answer the caller has; answered 304 where nothing changed.',
  Range: 'One range of bytes, such as `bytes=0-999`.',
  'If-Range':
    'The `ETag` or the `Last-Modified` of what the caller has a part of; where it is another now, all of it is sent.',
  'Content-Encoding': '`gzip` where the body is packed.',
} as const
export type RequestHeader = keyof typeof REQUEST_HEADERS

/** Headers that answers carry. */
export const RESPONSE_HEADERS = {
  ETag: 'A tag of what the answer says, for `If-None-Match`.',
  Location: 'Where to look at what was begun.',
  'Retry-After': 'Seconds after which to retry.',
  'Content-Range': 'Which bytes these are, and of how many.',
  'Content-Disposition': 'The name of the file.',
  'WWW-Authenticate': 'What is wanted: a bearer token (RFC 6750).',
} as const
export type ResponseHeader = keyof typeof RESPONSE_HEADERS

/** Statuses of errors. */
export const ERRORS = {
  400: 'Something in the request is not as it should be; the answer names the field.',
  401: 'No valid key or token was sent.',
  403: 'The key may not do this, or the page or host it came from may not call here.',
  404: 'There is nothing with this id, or it belongs to someone else.',
  405: 'The path has no such method; `Allow` lists those it has.',
  409: 'What is there stands against it: an id that exists, a state that does not allow it.',
  413: 'The body is larger than this route takes.',
  415: 'The body is of a type this route does not take.',
  422: 'The fields of the body are not what they should be, each is named; or the `Idempotency-Key` names a request with other content.',
  426: "This address is a WebSocket's; `Upgrade` says so.",
  429: 'More requests or open streams than the caller may have; `Retry-After` says when to go on.',
  500: 'An unexpected error. Report the request id.',
  503: 'The server cannot do it now; it may later.',
  507: 'The server has no space left to store it; `Retry-After` says when to retry.',
} as const
export type ErrorStatus = keyof typeof ERRORS
