/** Values that hold numbers which no double holds, checked against schemas. */
import { expect, it } from 'vitest'
import * as z from 'zod'
import { safeParse } from '../../../src/http/request/safe-parse.ts'
import { parseLossless } from '../../../src/lossless-json.ts'

const LONG = '9'.repeat(400)
const parsed = (schema: z.ZodType, json: string) => safeParse(schema, parseLossless(json))

it('a number stays as written where anything is taken, and is a double where a number is', () => {
  const schema = z.object({ any: z.unknown(), count: z.number() })
  const { data } = parsed(schema, '{"any":9007199254740993,"count":9007199254740993}')
  expect(JSON.stringify(data)).toBe('{"any":9007199254740993,"count":9007199254740992}')
  expect(parsed(schema, `{"any":1,"count":${LONG}}`).error?.issues).toMatchObject([
    { path: ['count'], message: expect.stringContaining('beyond ±1.8e308') },
  ])
})

it('a number that a check of its own refuses is refused, and does not become another value', () => {
  const isShort = (value: unknown) => (JSON.stringify(value) ?? '').length < 100
  const schema = z.object({ any: z.unknown().refine(isShort, 'Expected less.') })
  expect(parsed(schema, `{"any":${LONG}}`).error?.issues).toMatchObject([{ path: ['any'], message: 'Expected less.' }])
  expect(parsed(schema, `{"any":{"deep":[${LONG}]}}`).success).toBe(false)
  expect(parsed(schema, '{"any":9007199254740993}').success).toBe(true)
})
