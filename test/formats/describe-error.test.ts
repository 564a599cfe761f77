/** Errors as both logs write them: never with what a failed statement was to store. */
import { DrizzleQueryError } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { createConsoleLog } from '../../src/drivers/log-console.ts'
import { MillraceError } from '../../src/errors.ts'
import { describeError, describeErrors } from '../../src/formats/describe-error.ts'
import { Redactor } from '../../src/formats/redact.ts'
import { withoutStatementValues } from '../../src/formats/statement-text.ts'

const CODE = 'k7yw2qz9'
const KEY = 'import of monday'
const MANY_LINES = `first\nlast line of ${CODE}`

const failed = (sql = `insert into "results" ("code") values (?, '${CODE}', 4711)`) =>
  new DrizzleQueryError(sql, [CODE, KEY, MANY_LINES, 7], new Error(`SQLITE_ERROR: something near ${KEY}`))

/** Every way in which one failed statement is part of an error. */
const ERRORS: readonly (readonly [string, () => Error])[] = [
  ['itself', failed],
  ['a cause', () => new MillraceError('UNKNOWN', 'it failed', { cause: new Error('in between', { cause: failed() }) })],
  ['a wrapper that repeats the message', () => new Error(`it failed: ${failed().message}`, { cause: failed() })],
  ['one of several', () => new AggregateError([new Error('another'), failed()], `two failed, ${failed().message}`)],
  ['within a cause that is several', () => new Error('x', { cause: new AggregateError([[failed()], failed()]) })],
  ['another library', () => Object.assign(new Error('no such table'), { sql: `select '${CODE}'`, args: [KEY] })],
  ['bound by name', () => Object.assign(new Error(`bad ${KEY}`), { params: { key: KEY }, row: { CODE } })],
  ['a cause that is no error', () => new Error('it failed', { cause: failed().message })],
]

function expectNoValues(text: string): void {
  for (const value of [CODE, KEY, 'last line of', '4711']) expect(text).not.toContain(value)
}

describe('an error with a failed statement', () => {
  it.each(ERRORS)('is described without its values: %s', (_, make) => {
    expectNoValues(JSON.stringify(describeError(make())))
    // Wherever among the fields it stands.
    expectNoValues(JSON.stringify(describeErrors({ err: make(), nested: { list: [{ why: make() }] } })))
  })

  it.each(ERRORS)('is in the log on Cloudflare without its values: %s', (_, make) => {
    const lines: string[] = []
    createConsoleLog('info', (_level, line) => lines.push(line)).error({ err: make(), why: [make()] }, 'it failed')
    expect(lines).toHaveLength(1)
    expectNoValues(lines.join('\n'))
  })

  it.each(ERRORS)('loses its values where it was made text: %s', (_, make) => {
    const error = make()
    const { message, stack = '' } = error
    const redactor = new Redactor()
    const texts = [message, stack, `failed with ${message}`].filter((text) => text.includes('Failed query'))
    for (const text of texts) expectNoValues(redactor.text(text) + redactor.line(JSON.stringify({ reason: text })))
  })

  it('keeps what helps: the statement, the code of the driver, frames and causes', () => {
    const cause = Object.assign(new Error('no such table: batches'), { code: 'SQLITE_ERROR', rawCode: 1 })
    const error = new DrizzleQueryError('select "id" from "batches" where "id" = ?', [KEY], cause)
    expect(describeError(error)).toMatchObject({
      type: 'Error',
      message: 'Failed query: select "id" from "batches" where "id" = ?\nparams: …: no such table: batches',
      stack: expect.stringMatching(/params: …\n {4}at .*\n[\s\S]*caused by: Error: no such table: batches\n {4}at /),
    })
    expect(describeError(cause)).toMatchObject({ code: 'SQLITE_ERROR', rawCode: 1 })
  })
})

describe('a statement', () => {
  it.each([
    [`Failed query: select 'it''s ${CODE}', x'00ff', 12.5e3 from t where a = ?1`, `select …, …, … from t where a = ?1`],
    [`Failed query: select "name1", t2.b from t2 -- ${CODE}`, 'select "name1", t2.b from t2 …'],
    [`Failed query: select 'cut off ${CODE}`, 'select …'],
    [`Failed query: select ? /* ${CODE} */ params: ${CODE}, x`, 'select ? …\nparams: …'],
    [`Failed query: select ?\\nparams: ${CODE}`, 'select ?\nparams: …'],
  ])('loses what is written into it: %s', (text, rest) => {
    expect(withoutStatementValues(text)).toBe(`Failed query: ${rest}`)
  })

  it('is the only text that changes', () => {
    const text = "The params: 12 and 'this' stay"
    expect(withoutStatementValues(text)).toBe(text)
  })
})
