/** What is taken out of a log's lines, and what stays. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Redactor } from '../../src/formats/redact.ts'

const KEY = `mr_${'aZ0_-'.repeat(8)}`
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXRoaXM'
const redactor = new Redactor()

describe('a line', () => {
  it.each([
    ['an API key', `the key ${KEY} is gone`, KEY],
    ['the secret of a webhook', 'signed by whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'MfKQ9r8G'],
    ['a JWT', `bad token ${JWT}`, 'c2lnbmF0'],
    ['a JWT without its signature', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.', 'eyJzdWIi'],
    ['a JWT in a URL', `/x?a=%20${JWT}`, 'c2lnbmF0'],
    ['what follows Bearer', 'Authorization: Bearer abc.DEF-123~+/=', 'abc.DEF'],
    ['what follows Basic', 'sent Basic bWU6bWU=', 'bWU6'],
    ['the code of a result', 'GET /results/k7Yw-2Qz 200', 'k7Yw'],
    ['the code of a result as JSON', 'GET /api/result/k7Yw-2Qz/calendar.ics 200', 'k7Yw'],
    ['the token of a database', 'libsql://db.example.com?authToken=s3cret', 's3cret'],
    ['a token in a query', '/api/batch/x/stream?token=s3cret&after=2', 's3cret'],
    ['a token that is not the first parameter', '/x?a=1&token=s3cret', 's3cret'],
    [
      'the signature of a link',
      'https://b.s3.amazonaws.com/x?X-Amz-Signature=s3cret&X-Amz-Credential=s3cret',
      's3cret',
    ],
    ['a password in a URL', 'libsql://me:s3cret@db.example.com', 's3cret'],
    ['a user that is a token in a URL', 'https://s3cret@example.com/', 's3cret'],
    ['a header in text', 'cookie: session=s3cret; other=s3cret', 's3cret'],
    ['what was to be stored', 'Failed query: insert into t values (?)\nparams: s3cret,other s3cret', 's3cret'],
  ])('loses %s, as text and within JSON', (_, text, secret) => {
    expect(redactor.text(text)).not.toContain(secret)
    const line = redactor.line(`${JSON.stringify({ level: 30, err: { message: text }, msg: 'kept' })}\n`)
    expect(line).not.toContain(secret)
    expect(JSON.parse(line)).toMatchObject({ level: 30, msg: 'kept' })
  })

  it.each([
    'authorization',
    'Authorization',
    'cookie',
    'Set-Cookie',
    'x-api-key',
    'apiKey',
    'password',
    'secret',
    'token',
  ])('loses the member %s, at any depth', (name) => {
    const object = { a: { [name]: 'one "s3cret" \\ s3cret', list: [{ [name]: ['s3cret', 's3cret'] }] }, kept: 'this' }
    for (const line of [object, { text: JSON.stringify(object), kept: 'this' }]) {
      const without = redactor.line(JSON.stringify(line))
      expect(without).not.toContain('s3cret')
      expect(JSON.parse(without)).toMatchObject({ kept: 'this' })
    }
  })

  it('loses what the redactor was told of, as it is and as JSON writes it', () => {
    const told = new Redactor([null, 'from "the" environment'])
    told.add('made-later')
    const line = told.line(JSON.stringify({ a: 'from "the" environment', b: 'made-later', c: 'kept' }))
    expect(JSON.parse(line)).toEqual({ a: '…', b: '…', c: 'kept' })
  })

  it.each([
    '{"level":30,"path":"/api/batch/019a-b/stream","status":200,"ms":3,"owner":"ada","msg":"request"}',
    '{"msg":"the keys that verify JWTs could not be fetched","jwksUrl":"https://id.example.com/jwks.json?v=2"}',
    '{"err":{"message":"The basics of tokens: a secret is kept"}}',
  ])('keeps the rest: %s', (line) => {
    expect(redactor.line(line)).toBe(line)
  })

  it('stays JSON, whatever it holds', () => {
    const word = fc.constantFrom(
      'token',
      'cookie',
      '"',
      '\\',
      ':',
      'Bearer ',
      KEY,
      JWT,
      '?token=',
      'params: ',
      '\n',
      '[',
      ']',
      '://',
      '@',
    )
    const text = fc
      .array(fc.oneof(word, fc.string({ maxLength: 4 })), { maxLength: 12 })
      .map((parts) => parts.join(' '))
    fc.assert(
      fc.property(fc.dictionary(text, fc.oneof(text, fc.array(text), fc.dictionary(text, text))), (fields) => {
        const line = redactor.line(JSON.stringify({ ...fields, nested: JSON.stringify(fields) }))
        expect(() => JSON.parse(line)).not.toThrow()
        expect(line).not.toContain(KEY)
        expect(line).not.toContain(JWT)
      }),
      { numRuns: 3_000 },
    )
  })
})
