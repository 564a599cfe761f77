/** Templates of calls: what an item makes of them, and what is refused when a batch is made. */
import { describe, expect, it } from 'vitest'
import { checkItem, fillCall, readCall } from '../../../src/features/http-calls/call.ts'
import { httpCalls } from '../../../src/features/http-calls/operation.ts'
import { HttpInput } from '../../../src/features/http-calls/schemas.ts'
import { scrubber } from '../../../src/features/http-calls/scrub.ts'
import { parseLossless } from '../../../src/lossless-json.ts'

const operation = httpCalls({ signingKey: () => Promise.resolve('x'), publicUrl: null })
const fill = (input: object, item: unknown) =>
  fillCall(readCall(HttpInput.parse({ url: 'https://a.example/', ...input })), { item, secret: (name) => `<${name}>` })
const plan = (input: object, items: readonly unknown[]) => operation.plan({ input, items })
const refusal = (input: object, items: readonly unknown[] = []) => {
  try {
    plan({ url: 'https://a.example/', ...input }, items)
  } catch (error) {
    return error
  }
  return 'nothing was refused'
}

describe('an address', () => {
  it.each([
    [
      'https://a.example/u/{{id}}?q={{q}}',
      { id: 'a/b c', q: 'x&y=ü' },
      'https://a.example/u/a%2Fb%20c?q=x%26y%3D%C3%BC',
    ],
    ['https://a.example/{{ user.name }}', { user: { name: 'Ada' } }, 'https://a.example/Ada'],
    ['https://a.example/{{n}}/{{yes}}', { n: 1.5, yes: true }, 'https://a.example/1.5/true'],
    ['https://a.example/{{item}}', 'x y', 'https://a.example/x%20y'],
    ['https://a.example/{{item}}', { item: 'its own' }, 'https://a.example/its%20own'],
    ['{{url}}&n={{n}}', { url: 'https://b.example/?a=1', n: '&' }, 'https://b.example/?a=1&n=%26'],
    ['https://a.example/{{a}}', { a: '{{b}}', b: 'never' }, 'https://a.example/%7B%7Bb%7D%7D'],
  ])('%s', (url, item, filled) => {
    expect(fill({ url }, item).url).toBe(filled)
  })

  it('keeps the digits of long numbers', () => {
    expect(fill({ url: 'https://a.example/{{n}}' }, parseLossless('{"n":12345678901234567890}')).url).toBe(
      'https://a.example/12345678901234567890',
    )
  })
})

describe('a body', () => {
  const json = { method: 'POST' }
  it.each([
    [{ prompt: '{{p}}', n: '{{n}}', all: '{{item}}' }, '{"prompt":"a\\"b","n":3,"all":{"p":"a\\"b","n":3}}'],
    [{ text: 'Say: {{p}} ({{n}})', deep: [{ x: ['{{n}}'] }] }, '{"text":"Say: a\\"b (3)","deep":[{"x":[3]}]}'],
    ['{"p": {{p}}, "n": {{n}}}', '{"p": "a\\"b", "n": 3}'],
    ['{"p": "Say {{p}}: \\"{{n}}\\""}', '{"p": "Say a\\"b: \\"3\\""}'],
    [{ key: '{{secrets.KEY}}' }, '{"key":"<KEY>"}'],
  ])('%j', (bodyTemplate, filled) => {
    const call = fill({ ...json, bodyTemplate }, { p: 'a"b', n: 3 })
    expect([call.body, call.headers['content-type']]).toEqual([filled, 'application/json'])
  })

  it.each([
    ['application/x-www-form-urlencoded', 'p={{p}}&n=1', 'p=a%22b%26&n=1'],
    ['text/plain', 'Say {{p}}', 'Say a"b&'],
    ['application/vnd.api+json', '{"p":{{p}}}', '{"p":"a\\"b&"}'],
  ])('as %s', (type, bodyTemplate, filled) => {
    const call = fill({ ...json, headers: { 'Content-Type': type }, bodyTemplate }, { p: 'a"b&' })
    expect([call.body, call.headers['content-type']]).toEqual([filled, type])
  })

  it('gives numbers as they were sent', () => {
    const item = parseLossless('{"n":12345678901234567890}')
    expect(fill({ ...json, bodyTemplate: { n: '{{n}}' } }, item).body).toBe('{"n":12345678901234567890}')
  })
})

describe('what is refused names the field', () => {
  it.each([
    [{ url: 'https://a.example/{{}}' }, 'input.url', 'is no placeholder'],
    [{ url: 'https://a.example/{{secrets.KEY}}' }, 'input.url', 'Put a secret into a header or the body'],
    [{ headers: { 'X-A': '{{secrets.a.b}}' } }, 'input.headers.X-A', 'names no secret'],
    [{ headers: { Host: 'x' } }, 'input.headers.Host', 'set by whoever sends'],
    [{ headers: { 'Webhook-Id': 'x' } }, 'input.headers.Webhook-Id', 'set by Millrace'],
    [{ headers: { 'X-A': 'a\nb' } }, 'input.headers.X-A', 'without line ends'],
    [{ bodyTemplate: 'x' }, 'input.bodyTemplate', 'a call with GET has no body'],
    [{ timeoutMs: 0 }, 'input.timeoutMs', 'expected number to be >=1'],
    [{ method: 'get' }, 'input.method', 'expected one of "GET"'],
    [{ retryOn: [200] }, 'input.retryOn.0', '>=400'],
    [{ ratePerSecond: 0 }, 'input.ratePerSecond', '>=0.01'],
    [{ retryon: [500] }, 'input.retryon', 'Did you mean "retryOn"?'],
    [{ url: undefined }, 'input.url', 'Expected an http or https address'],
  ])('%j', (input, field, words) => {
    const error = refusal(input)
    expect(error).toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field },
      message: expect.stringContaining(words),
    })
  })

  it.each([
    [{ url: 'https://a.example/{{id}}' }, {}, 'items.1.id', 'items.1: has no field "id", which {{id}} asks for.'],
    [{ url: 'https://a.example/{{a.b}}' }, { a: 1 }, 'items.1.a.b', 'has no field "a.b"'],
    [{ url: 'https://a.example/{{id}}' }, { id: null }, 'items.1.id', 'has no text, number or boolean as "id"'],
    [{ url: 'https://a.example/{{id}}' }, { id: '..' }, 'items.1', 'as a part of its path'],
    [{ url: 'https://a.example/x{{id}}' }, { id: '__proto__', toString: 1 }, null, ''],
    [{ url: 'https://a.example/{{constructor}}' }, { id: 1 }, 'items.1.constructor', 'has no field'],
    [{ url: '{{id}}' }, { id: 'ftp://a.example/' }, 'items.1', 'gives no http or https address'],
    [{ url: 'https://{{id}}/' }, { id: 'a/b' }, 'items.1', 'gives no http or https address'],
    [{ headers: { 'X-A': '{{id}}' } }, { id: 'a\r\nB: c' }, 'items.1', 'a header "x-a" that cannot be sent'],
    [{ method: 'POST', bodyTemplate: '{"a": {{id}}}' }, {}, 'items.1.id', 'which {{id}} asks for'],
    [{ method: 'POST', bodyTemplate: '{"a": {{id}' }, { id: 1 }, 'input.bodyTemplate', 'gives no JSON for items.'],
  ])('%j with %j', (input, item, field, words) => {
    const good = { id: 1, a: { b: 1 }, constructor: 1 }
    const error = refusal(input, [
      JSON.stringify(input) === '{"url":"{{id}}"}' ? { id: 'https://a.example/' } : good,
      item,
    ])
    if (field === null) expect(error).toBe('nothing was refused')
    else expect(error).toMatchObject({ details: { field }, message: expect.stringContaining(words) })
  })
})

it('plans a job an item, with its address where items differ in that, and as few at once as the rate allows', () => {
  const one = plan({ url: 'https://a.example/{{id}}', ratePerSecond: 2, timeoutMs: 5_000 }, [{ id: 1 }])
  expect(one).toMatchObject({ jobs: [{ input: { id: 1 }, url: 'https://a.example/1' }], concurrency: 20 })
  expect(plan({ url: 'https://a.example/' }, [1])).toMatchObject({ jobs: [{ input: 1 }], concurrency: null })
  const again = operation.plan(operation.fromItems?.(one.input, [{ id: 2 }]))
  expect(again.input).toEqual(one.input)
})

it('checks an item against a body without filling in secrets', () => {
  const call = readCall(HttpInput.parse({ url: 'https://a.example/', headers: { A: 'Bearer {{secrets.K}}' } }))
  expect(checkItem(call, {}, 0)).toBe('https://a.example/')
  expect([[...call.secrets], call.secretHeaders]).toEqual([[['K', 'input.headers.a']], ['a']])
})

it('takes secrets out of text in whatever spelling', () => {
  const secret = 'p"ä/ss word'
  const scrub = scrubber(new Map([['KEY', secret]]))
  const basic = btoa(String.fromCharCode(...new TextEncoder().encode(secret)))
  const text = `${secret} ${JSON.stringify({ a: secret })} ${encodeURIComponent(secret)} ${basic}`
  expect(scrub(text)).toBe('[secret KEY] {"a":"[secret KEY]"} [secret KEY] [secret KEY]')
})
