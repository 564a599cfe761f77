/** Server-sent events as bytes (WHATWG HTML, section 9.2 "Server-sent events"). */

const utf8 = new TextEncoder()

/** A line ends at CR, LF or CRLF, so each of them would end a field early. */
const LINE_END = /\r\n|\r|\n/

/**
 * One event: `id`, `event` and `data` fields, in this order, and the empty line that dispatches it.
 * @param event.id becomes the client's `Last-Event-ID`; left out for what is not to be resumed from
 * @param event.event the type; `message` when left out. Never `error`: `EventSource` has an event of its own by that name
 * @param event.data any text; each of its lines becomes a `data:` field. Clients join them by LF, so CR and CRLF arrive as LF
 * @throws TypeError for an `event` that would break out of its line
 */
export function encodeEvent(event: { id?: number; event?: string; data: string }): Uint8Array {
  let text = ''
  if (event.id !== undefined) text += `id: ${event.id}\n`
  if (event.event !== undefined) {
    if (LINE_END.test(event.event)) throw new TypeError('The type of an event is one line.')
    text += `event: ${event.event}\n`
  }
  for (const line of event.data.split(LINE_END)) text += `data: ${line}\n`
  return utf8.encode(`${text}\n`)
}

/** A comment, which clients skip: keeps the connection open and shows whether anyone is there. */
export function encodeComment(text: string): Uint8Array {
  const lines = text.split(LINE_END).map((line) => `: ${line}\n`)
  return utf8.encode(`${lines.join('')}\n`)
}

/**
 * Encodes the time that a client waits before it connects again.
 * @param ms whole milliseconds; clients ignore anything but digits
 */
export function encodeRetry(ms: number): Uint8Array {
  return utf8.encode(`retry: ${Math.round(ms)}\n\n`)
}
