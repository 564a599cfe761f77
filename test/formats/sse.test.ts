/** Server-sent events, byte by byte against WHATWG HTML 9.2, and as a real `EventSource` reads them. */
import { EventSource } from 'eventsource'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeComment, encodeEvent, encodeRetry } from '../../src/formats/sse.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('an event', () => {
  it.each([
    ['data alone', { data: 'hello' }, 'data: hello\n\n'],
    ['id, type and data', { id: 7, event: 'job_completed', data: '{}' }, 'id: 7\nevent: job_completed\ndata: {}\n\n'],
    ['no data at all', { data: '' }, 'data: \n\n'],
    ['LF', { data: 'a\nb' }, 'data: a\ndata: b\n\n'],
    ['CR', { data: 'a\rb' }, 'data: a\ndata: b\n\n'],
    ['CRLF as one line end', { data: 'a\r\nb' }, 'data: a\ndata: b\n\n'],
    ['LF CR as two', { data: 'a\n\rb' }, 'data: a\ndata: \ndata: b\n\n'],
    ['line ends at both ends', { data: '\na\n' }, 'data: \ndata: a\ndata: \n\n'],
    ['a leading space, which the client takes one of', { data: ' a' }, 'data:  a\n\n'],
    ['a line that looks like a field', { data: 'a\nid: 9\n: x' }, 'data: a\ndata: id: 9\ndata: : x\n\n'],
    [
      'line separators that are none here',
      { data: 'a\u2028b\u2029c\u0085d\fe' },
      'data: a\u2028b\u2029c\u0085d\fe\n\n',
    ],
    ['a byte order mark, NUL and a colon', { data: '\uFEFF:\0' }, 'data: \uFEFF:\0\n\n'],
    ['characters beyond the BMP', { data: '🏊' }, 'data: 🏊\n\n'],
    ['id 0', { id: 0, data: 'x' }, 'id: 0\ndata: x\n\n'],
  ])('with %s', (_, event, text) => {
    expect(encodeEvent(event)).toEqual(bytes(text))
  })

  it('refuses a type that would break out of its line', () => {
    expect(() => encodeEvent({ event: 'a\ndata: b', data: '' })).toThrow(TypeError)
    expect(() => encodeEvent({ event: 'a\r', data: '' })).toThrow(TypeError)
  })
})

describe('comments and retry', () => {
  it.each([
    ['an empty comment', encodeComment(''), ': \n\n'],
    ['a comment of several lines', encodeComment('a\r\nb\rc'), ': a\n: b\n: c\n\n'],
    ['a time to wait', encodeRetry(1_500), 'retry: 1500\n\n'],
    ['a time that is no whole number', encodeRetry(1_234.56), 'retry: 1235\n\n'],
  ])('%s', (_, encoded, text) => {
    expect(encoded).toEqual(bytes(text))
  })
})

interface Read {
  type: string
  id: string
  data: string
}

/** What a real `EventSource` makes of a stream that comes in pieces, cut anywhere. */
async function readBack(stream: Uint8Array, cuts: readonly number[], types: readonly string[]): Promise<Read[]> {
  const ends = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let start = 0
      for (const end of ends) {
        if (end > start) controller.enqueue(stream.slice(start, end))
        start = end
      }
      controller.close()
    },
  })
  const headers = { 'Content-Type': 'text/event-stream' }
  const response = Object.defineProperty(new Response(body, { headers }), 'url', { value: 'http://localhost/' })
  const source = new EventSource('http://localhost/', { fetch: () => Promise.resolve(response) })
  const received: Read[] = []
  for (const type of new Set(types)) {
    source.addEventListener(type, (message: MessageEvent<string>) => {
      received.push({ type: message.type, id: message.lastEventId, data: message.data })
    })
  }
  // The stream's end is an error to an EventSource, which would come back.
  await new Promise((resolve) => source.addEventListener('error', resolve))
  source.close()
  return received
}

describe('a real EventSource', () => {
  it('reads back any text, id and type, however the bytes are cut', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('\r', '\n', ' ', ':', 'a', '🏊') }),
    )
    const event = fc.record({ id: fc.nat(), event: fc.stringMatching(/^[a-z_]{1,20}$/), data: text })
    const run = fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat()),
      async (list, cuts) => {
        const sent = list.filter(({ event: type }) => type !== 'error' && type !== 'open')
        const stream = [
          encodeRetry(1),
          encodeComment('a\nb'),
          ...sent.flatMap((one) => [encodeEvent(one), encodeComment('')]),
        ]
        const read = await readBack(
          new Uint8Array(Buffer.concat(stream)),
          cuts,
          sent.map((one) => one.event),
        )
        expect(read).toEqual(
          sent.map((one) => ({ type: one.event, id: String(one.id), data: one.data.replace(/\r\n|\r/g, '\n') })),
        )
      },
    )
    await fc.assert(run, { numRuns: 300 })
  })
})
