import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { TurnQueue } from '../../src/drivers/turn-queue.ts'

it('steps that wait are run one a turn, in order, and those with nothing to do take none', async () => {
  const queue = new TurnQueue()
  const run: string[] = []
  const add = (name: string, works = true) =>
    queue.add(() => {
      run.push(name)
      return works
    })
  add('a')
  add('gone', false)
  add('b')
  add('c')
  expect(run).toEqual([])
  await turn()
  expect(run).toEqual(['a'])
  await turn()
  expect(run).toEqual(['a', 'gone', 'b'])
  add('d')
  await turn()
  await turn()
  expect(run).toEqual(['a', 'gone', 'b', 'c', 'd'])
  add('e')
  await turn()
  expect(run.at(-1)).toBe('e')
})
