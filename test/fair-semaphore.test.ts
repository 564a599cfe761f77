/** How slots are shared between owners. */
import { expect, it } from 'vitest'
import { MillraceError } from '../src/errors.ts'
import { FairQueue, FairSemaphore } from '../src/fair-semaphore.ts'

const cancelled = () => new MillraceError('CANCELLED', 'Called off.')

/** Takes all that may be taken. */
function takeAll(queue: FairQueue<string>): string[] {
  const taken: string[] = []
  for (let next = queue.take(); next !== null; next = queue.take()) taken.push(next.item)
  return taken
}

it('owners take turns, however much one of them has waiting', () => {
  const queue = new FairQueue<string>({ slots: 1 })
  for (let i = 1; i <= 50; i++) queue.add('a', `a${i}`)
  expect(takeAll(queue)).toEqual(['a1'])
  for (const item of ['b1', 'b2', 'c1']) queue.add(item.charAt(0), item)
  const order: string[] = []
  for (let owner = 'a'; order.length < 6; owner = order.at(-1)?.charAt(0) ?? '') {
    queue.leave(owner)
    order.push(...takeAll(queue))
  }
  expect(order.slice(0, 5).toSorted()).toEqual(['a2', 'a3', 'b1', 'b2', 'c1'])
  expect(order.indexOf('b1')).toBeLessThan(3)
  expect(order.indexOf('c1')).toBeLessThan(3)
})

it('a freed slot goes to whoever holds the fewest', () => {
  const queue = new FairQueue<string>({ slots: 3 })
  for (let i = 1; i <= 9; i++) queue.add('a', `a${i}`)
  expect(takeAll(queue)).toEqual(['a1', 'a2', 'a3'])
  queue.add('b', 'b1')
  queue.add('b', 'b2')
  queue.leave('a')
  expect(takeAll(queue)).toEqual(['b1'])
  queue.leave('a')
  expect(takeAll(queue), 'one each: whoever was served longest ago').toEqual(['a4'])
  queue.leave('a')
  expect(takeAll(queue)).toEqual(['b2'])
})

it('one owner never holds more than its share', () => {
  const queue = new FairQueue<string>({ slots: 100, perOwner: 2 })
  for (let i = 1; i <= 9; i++) queue.add('a', `a${i}`)
  queue.add('b', 'b1')
  expect(takeAll(queue)).toEqual(['a1', 'b1', 'a2'])
  queue.leave('a')
  expect(takeAll(queue)).toEqual(['a3'])
})

it('spare slots are for owners that hold none', () => {
  const queue = new FairQueue<string>({ slots: 2, spare: 1 })
  for (const item of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) queue.add(item.charAt(0), item)
  expect(takeAll(queue).toSorted()).toEqual(['a1', 'b1', 'c1'])
  queue.leave('c')
  expect(takeAll(queue)).toEqual([])
  queue.leave('b')
  expect(takeAll(queue)).toEqual(['b2'])
})

it('what is called off while it waits leaves the slot to others, and gives none back twice', async () => {
  const semaphore = new FairSemaphore({ slots: 1 }, cancelled)
  const release = await semaphore.acquire('a')
  const stop = new AbortController()
  const waiting = semaphore.acquire('a', stop.signal)
  const next = semaphore.acquire('b')
  stop.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(semaphore.acquire('a', stop.signal)).rejects.toMatchObject({ code: 'CANCELLED' })
  release()
  release()
  const releaseNext = await next
  let entered = false
  const third = semaphore.acquire('c').then(() => {
    entered = true
  })
  await Promise.resolve()
  expect(entered).toBe(false)
  releaseNext()
  await third
})
