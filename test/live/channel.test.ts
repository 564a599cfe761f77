import { expect, it } from 'vitest'
import { Channel, type Follower } from '../../src/live/channel.ts'
import type { EventPage } from '../../src/live/event-log.ts'
import { quietLog } from '../support/fixture.ts'
import { progressOf } from '../support/progress.ts'

it('says nothing of progress before the first read has told what a client lacks', async () => {
  const read = Promise.withResolvers<EventPage>()
  const told: Follower[] = []
  const channel = new Channel(
    {
      log: quietLog(),
      feed: {
        label: {},
        page: () => read.promise,
        running: async () => [{ batchId: 'b', ...progressOf(50, 'half') }],
        subscribe: (follower) => {
          told.push(follower)
          return () => {}
        },
      },
    },
    0,
    () => {},
  )
  const written: string[] = []
  const sink = {
    write: (bytes: Uint8Array) => written.push(new TextDecoder().decode(bytes)) > 0,
    onDrain: () => {},
    onClose: () => {},
    end: () => {},
  }
  channel.join(sink, 0)
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(written).toEqual([])
  const event = { seq: 1, type: 'batch_started', batchId: 'b', jobId: null, body: { type: 'batch_started' } }
  read.resolve({ events: [event], end: 1, complete: true, finished: false })
  await new Promise((resolve) => setTimeout(resolve, 20))
  told[0]?.progress('b', [progressOf(60, 'more')])
  await new Promise((resolve) => setTimeout(resolve, 200))
  const types = written.join('').match(/(?<=^event: ).*$/gm)
  expect(types?.[0]).toBe('batch_started')
  expect(types?.at(-1)).toBe('job_progress')
})
