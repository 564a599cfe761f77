/** Reading server-sent events (WHATWG HTML, section 9.2.6 "Interpreting an event stream"). */

/** An event as it was dispatched. */
export interface Message {
  /** `message` where the stream named none. */
  readonly type: string
  readonly data: string
  /** The last event id the stream has set so far; empty for none. */
  readonly id: string
}

/** Takes a stream's text piece by piece, cut wherever it happens to be cut. */
export class Parser {
  /** Milliseconds the stream last asked clients to wait before they connect again. */
  retryMs: number | undefined
  #line = ''
  #skipLineFeed = false
  #data: string[] = []
  #type = ''
  #id = ''

  /** @returns the events that this piece completes. One cut off by the end of the stream is never given */
  push(text: string): Message[] {
    if (text === '') return []
    // A CR at the end of the piece before ended its line already; an LF here belongs to it.
    const pieces = (this.#skipLineFeed && text[0] === '\n' ? text.slice(1) : text).split(/\r\n|\n|\r/)
    this.#skipLineFeed = text.endsWith('\r')
    pieces[0] = this.#line + pieces[0]
    this.#line = pieces.pop() ?? ''
    return pieces.flatMap((line) => this.#take(line) ?? [])
  }

  #take(line: string): Message | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id' && !value.includes('\0')) this.#id = value
    else if (name === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
    return undefined
  }

  #dispatch(): Message | undefined {
    const message = { type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id }
    const filled = this.#data.length > 0
    this.#data = []
    this.#type = ''
    return filled ? message : undefined
  }
}
