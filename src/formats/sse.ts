/** Server-sent events as bytes (WHATWG HTML, section 9.2 "Server-sent events"). */

const utf8 = new TextEncoder()

/** A line ends at CR, LF or CRLF, so each of them would end a field early. */
const LINE_END = /\r\n|\r|\n/

/**
 * One event.
 * @param event.id becomes the client's `Last-Event-ID`; left out for what is not to be resumed from
 * @param event.data any text; each of its lines becomes a `data:` field
 */
export function encodeEvent(event: { id?: number | string; event?: string; data: string }): Uint8Array {
  let text = ''
  if (event.id !== undefined) text += `id: ${event.id}\n`
  if (event.event !== undefined) text += `event: ${event.event}\n`
  for (const line of event.data.split(LINE_END)) text += `data: ${line}\n`
  return utf8.encode(`${text}\n`)
}

/** A comment, which clients skip: keeps the connection open and shows whether anyone is there. */
export function encodeComment(text: string): Uint8Array {
  return utf8.encode(
    `${text
      .split(LINE_END)
      .map((line) => `: ${line}\n`)
      .join('')}\n`,
  )
}

/** How long a client waits before it connects again. */
export function encodeRetry(ms: number): Uint8Array {
  return utf8.encode(`retry: ${ms}\n\n`)
}
