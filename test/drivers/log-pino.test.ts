/** The log of Node: errors anywhere among the fields, described, and no value of a failed statement. */
import { DrizzleQueryError } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { createPinoLog } from '../../src/drivers/log-pino.ts'
import { MillraceError } from '../../src/errors.ts'
import { Redactor } from '../../src/formats/redact.ts'

const VALUE = 'the code k7yw2qz9'
const failed = () =>
  new DrizzleQueryError(`select '${VALUE}'`, [VALUE, `two\nlines ${VALUE}`], new Error(`near ${VALUE}`))

function openLog() {
  const lines: string[] = []
  return { lines, log: createPinoLog('info', new Redactor().line, { write: (line) => void lines.push(line) }) }
}

it.each([
  ['err', () => ({ err: failed() })],
  ['a cause', () => ({ err: new MillraceError('UNKNOWN', 'no', { cause: failed() }) })],
  ['several errors', () => ({ err: new AggregateError([failed(), failed()], failed().message) })],
  ['another field', () => ({ why: failed(), all: [{ one: failed() }] })],
  ['text', () => ({ reason: failed().message, stack: failed().stack })],
])('writes no value of a statement: %s', (_, fields) => {
  const { lines, log } = openLog()
  log.error(fields(), 'it failed')
  expect(lines).toHaveLength(1)
  expect(lines[0]).not.toContain('k7yw2qz9')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 50, msg: 'it failed' })
})

it('writes type, message, code, details and stack of an error with its causes', () => {
  const { lines, log } = openLog()
  const cause = new TypeError('no such thing')
  log.warn({ err: new MillraceError('NETWORK_ERROR', 'it broke', { cause, details: { status: 500 } }) }, 'oh')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    msg: 'oh',
    err: {
      type: 'MillraceError',
      message: 'it broke: no such thing',
      code: 'NETWORK_ERROR',
      details: { status: 500 },
      stack: expect.stringMatching(/it broke[\s\S]*caused by: TypeError: no such thing/),
    },
  })
})
