import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Message, Parser } from '../../src/client/sse.ts'

function parse(pieces: readonly string[]): { messages: Message[]; retryMs: number | undefined } {
  const parser = new Parser()
  return { messages: pieces.flatMap((piece) => parser.push(piece)), retryMs: parser.retryMs }
}

describe('reading a stream', () => {
  it.each([
    ['joins data lines', 'data: a\ndata: b\n\n', [{ type: 'message', data: 'a\nb', id: '' }]],
    ['takes one space off a value', 'data:  a\ndata:b\n\n', [{ type: 'message', data: ' a\nb', id: '' }]],
    ['takes a field without a colon', 'data\n\n', [{ type: 'message', data: '', id: '' }]],
    [
      'keeps the id for events after it',
      'id: 7\ndata: a\n\ndata: b\n\n',
      [
        { type: 'message', data: 'a', id: '7' },
        { type: 'message', data: 'b', id: '7' },
      ],
    ],
    [
      'ignores an id with NUL',
      'id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n',
      [
        { type: 'message', data: 'a', id: '7' },
        { type: 'message', data: 'b', id: '7' },
      ],
    ],
    ['forgets the type of an event without data', 'event: x\n\ndata: a\n\n', [{ type: 'message', data: 'a', id: '' }]],
    ['skips comments and unknown fields', ': c\nfoo: bar\ndata: a\n\n', [{ type: 'message', data: 'a', id: '' }]],
    ['gives nothing of what is cut off', 'event: x\ndata: a\n', []],
  ])('%s', (_, text, messages) => {
    for (const end of ['\n', '\r', '\r\n']) {
      expect(parse([text.replaceAll('\n', end)]).messages).toEqual(messages)
      expect(parse([...text.replaceAll('\n', end)]).messages).toEqual(messages)
    }
  })

  it('takes digits alone for the pause', () => {
    expect(parse(['retry: 1200\n']).retryMs).toBe(1_200)
    expect(parse(['retry: 12s\nretry: -1\nretry:\n']).retryMs).toBeUndefined()
  })

  it('reads whatever eventsource-parser reads, however it is cut', () => {
    const line = fc.oneof(
      fc.constantFrom('', '', 'data', 'id', 'event', ':', ': c', 'retry: 5', 'id: 1', 'id:', 'event: x', 'data:  y'),
      fc.string({ maxLength: 6, unit: fc.constantFrom('a', ':', ' ', 'é', '😀', 'data') }),
      fc.string({ maxLength: 4 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
    )
    const stream = fc
      .array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 30 })
      .map((lines) => `${lines.flat().join('')}\n`)
    fc.assert(
      fc.property(stream, fc.array(fc.nat(60), { maxLength: 12 }), (text, cuts) => {
        const places = [...new Set([0, ...cuts.filter((cut) => cut < text.length), text.length])].sort((a, b) => a - b)
        const pieces = places.slice(1).map((place, i) => text.slice(places[i], place))
        const theirs: { type: string; data: string }[] = []
        let retryMs: number | undefined
        const parser = createParser({
          onEvent: ({ event = 'message', data }) => theirs.push({ type: event, data }),
          onRetry: (ms) => {
            retryMs = ms
          },
        })
        parser.feed(text)
        const ours = parse(pieces)
        expect(ours.messages.map(({ type, data }) => ({ type, data }))).toEqual(theirs)
        expect(ours.retryMs).toBe(retryMs)
      }),
      { numRuns: 2_000 },
    )
  })
})
