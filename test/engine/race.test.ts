/** Creates under one key that race, with the loser of the race made certain. */
import { join } from 'node:path'
import Connection from 'libsql'
import { expect, it } from 'vitest'
import { submit } from '../../src/engine/transitions/submit.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { openEngine } from '../support/fixture.ts'

it('a create that finds its key taken when it writes answers the batch that took it', async () => {
  let race = () => {}
  // Planning comes between looking for the key and writing.
  const racing = {
    ...echo,
    plan(request: unknown) {
      race()
      return echo.plan(request)
    },
  }
  const engine = await openEngine()
  const other = new Connection(join(engine.folder, 'millrace.db'))
  const create = (key: string) =>
    submit(engine, {
      owner: 'me',
      operation: racing,
      request: { items: [{ value: 1 }] },
      idempotency: { key, content: 1 },
    })
  const first = await create('mine')
  race = () => other.exec(`UPDATE batches SET idempotency_key = 'ours'`)
  expect(await create('ours')).toEqual({ ...first, created: false })
  other.close()
  await engine.close()
})
