/** The log on Cloudflare: a line of JSON an entry, whatever it is given. */
import { expect, it } from 'vitest'
import { createConsoleLog } from '../../src/drivers/log-console.ts'
import { MillraceError } from '../../src/errors.ts'

function openLog(level: string) {
  const lines: { name: string; entry: Record<string, unknown> }[] = []
  const log = createConsoleLog(level, (name, line) => {
    expect(line).not.toContain('\n')
    lines.push({ name, entry: JSON.parse(line) })
  })
  return { log, lines }
}

it('writes level, time, fields and message as pino does', () => {
  const { log, lines } = openLog('info')
  log.info({ path: '/x', big: 2n }, 'request')
  log.error({ jobId: '1' }, 'failed')
  expect(lines).toMatchObject([
    { name: 'info', entry: { level: 30, path: '/x', big: '2', msg: 'request' } },
    { name: 'error', entry: { level: 50, jobId: '1', msg: 'failed' } },
  ])
  expect(Math.abs(Number(lines[0]?.entry.time) - Date.now())).toBeLessThan(60_000)
})

it('leaves out what is below its level', () => {
  const { log, lines } = openLog('error')
  log.info({}, 'a')
  log.warn({}, 'b')
  log.error({}, 'c')
  expect(lines.map(({ entry }) => entry.msg)).toEqual(['c'])
  const silent = openLog('silent')
  silent.log.error({}, 'd')
  expect(silent.lines).toEqual([])
})

it('writes errors with their causes, codes and stacks', () => {
  const { log, lines } = openLog('warn')
  const cause = new TypeError('no such thing')
  log.warn({ err: new MillraceError('NETWORK_ERROR', 'it broke', { cause, details: { status: 500 } }) }, 'oh')
  expect(lines[0]?.entry.err).toMatchObject({
    type: 'MillraceError',
    message: 'it broke: no such thing',
    code: 'NETWORK_ERROR',
    details: { status: 500 },
    stack: expect.stringMatching(/it broke[\s\S]*caused by: TypeError: no such thing/),
  })
})

it('writes that something happened, where its fields cannot be written', () => {
  const { log, lines } = openLog('info')
  const circle: Record<string, unknown> = {}
  circle.self = circle
  log.info({ circle }, 'round')
  const loop = new Error('loop')
  loop.cause = loop
  log.info({ err: loop }, 'again')
  expect(lines).toMatchObject([
    { entry: { msg: 'round', unwritable: expect.any(String) } },
    { entry: { msg: 'again', err: { message: 'loop' } } },
  ])
})
