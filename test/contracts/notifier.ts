/** What every Notifier must do. Notices may be lost, doubled or out of order, so only that they come, whole and to the right ones, is looked at. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Notice, Notifier } from '../../src/ports.ts'
import { until } from '../engine/rig.ts'

/** Runs the suite against notifiers that `make` gives. */
export function notifierContract(name: string, make: () => Notifier): void {
  describe(`${name} as a Notifier`, () => {
    const ends: (() => void)[] = []
    afterEach(() => {
      for (const end of ends.splice(0)) end()
    })
    const follow = (notifier: Notifier, batch: string) => {
      const seen: Notice[] = []
      const stop = notifier.subscribe(batch, (notice) => seen.push(notice))
      ends.push(stop)
      const reaches = (seq: number) =>
        until(async () => (seen.some((notice) => 'seq' in notice && notice.seq >= seq) ? true : null))
      return { seen, stop, reaches }
    }

    it('tells the followers of a batch, and of that batch alone', async () => {
      const notifier = make()
      const [one, also, other] = [follow(notifier, 'a'), follow(notifier, 'a'), follow(notifier, 'b')]
      notifier.publish('nobody', { seq: 9 })
      notifier.publish('a', { seq: 3 })
      notifier.publish('b', { seq: 7 })
      await Promise.all([one.reaches(3), also.reaches(3), other.reaches(7)])
      expect(one.seen).toContainEqual({ seq: 3 })
      expect(other.seen).not.toContainEqual({ seq: 3 })
      expect([...one.seen, ...other.seen]).not.toContainEqual({ seq: 9 })
    })

    it('hands over progress whole', async () => {
      const notifier = make()
      const { seen } = follow(notifier, 'a')
      const progress = [{ jobId: 'j', sequence: 1, percent: 40, message: 'Seite 1 ✓', stage: null }]
      notifier.publish('a', { progress })
      await until(async () => (seen.length > 0 ? true : null))
      expect(seen[0]).toEqual({ progress })
    })

    it('tells nobody who has left, and those who stay all the same', async () => {
      const notifier = make()
      const [gone, there] = [follow(notifier, 'a'), follow(notifier, 'a')]
      gone.stop()
      gone.stop()
      notifier.publish('a', { seq: 1 })
      await there.reaches(1)
      expect(gone.seen).toEqual([])
      there.stop()
      const back = follow(notifier, 'a')
      notifier.publish('a', { seq: 2 })
      await back.reaches(2)
    })
  })
}
