/**
 * What every Notifier must do. Notices may be lost, doubled or out of order, and a subscription may take a moment to begin: so each is
 * published until it is heard, and only that they come, whole and to the right ones, is looked at.
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { Notice, Notifier } from '../../src/ports.ts'
import { progressOf } from '../support/progress.ts'

/** A notifier, and how a batch's log comes to reach a number before anybody is told that it does. */
export interface NotifierUnderTest {
  readonly notifier: Notifier
  /** Absent where nobody reads the log between publishing and hearing. */
  write?(batchId: string, seq: number): Promise<void>
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs the suite against notifiers that `make` gives. */
export function notifierContract(name: string, make: () => NotifierUnderTest): void {
  describe(`${name} as a Notifier`, () => {
    const ends: (() => void)[] = []
    afterEach(() => {
      for (const end of ends.splice(0)) end()
    })
    /** A batch of its own, whose log has one event. */
    const begin = async ({ write }: NotifierUnderTest) => {
      const batchId = crypto.randomUUID()
      await write?.(batchId, 1)
      return batchId
    }
    const follow = ({ notifier }: NotifierUnderTest, batchId: string) => {
      const seen: Notice[] = []
      const stop = notifier.subscribe(batchId, (notice) => seen.push(notice))
      ends.push(stop)
      const numbers = () => seen.flatMap((notice) => ('seq' in notice ? [notice.seq] : []))
      const progress = () => seen.flatMap((notice) => ('progress' in notice ? notice.progress : []))
      return { seen, stop, numbers, progress }
    }
    type Follower = ReturnType<typeof follow>
    const publish = async ({ notifier }: NotifierUnderTest, batchId: string, notice: Notice, heard: () => boolean) => {
      while (!heard()) {
        notifier.publish(batchId, notice)
        for (let look = 0; look < 10 && !heard(); look++) await pause(10)
      }
    }
    /** Lets the log of a batch reach a number, and tells of it until all have heard. */
    const reach = async (made: NotifierUnderTest, batchId: string, seq: number, followers: readonly Follower[]) => {
      await made.write?.(batchId, seq)
      await publish(made, batchId, { seq }, () => followers.every((one) => one.numbers().includes(seq)))
    }

    it('tells the followers of a batch, and of that batch alone', async () => {
      const made = make()
      const [a, b, nobodys] = [await begin(made), await begin(made), await begin(made)]
      const [one, also, other] = [follow(made, a), follow(made, a), follow(made, b)]
      await reach(made, nobodys, 9, [])
      made.notifier.publish(nobodys, { seq: 9 })
      // All are there once they heard the first; the second has only its notice to be heard by.
      for (const [first, second] of [
        [3, 7],
        [4, 8],
      ] as const) {
        await Promise.all([reach(made, a, first, [one, also]), reach(made, b, second, [other])])
      }
      for (const { numbers } of [one, also]) expect(numbers().filter((seq) => seq > 4)).toEqual([])
      expect(other.numbers()).not.toContain(3)
      expect(other.numbers()).not.toContain(9)
    })

    it('hands over progress whole', async () => {
      const made = make()
      const batchId = await begin(made)
      const { progress } = follow(made, batchId)
      const told = progressOf(40, 'Seite 1 ✓')
      await publish(made, batchId, { progress: [told] }, () => progress().length > 0)
      expect(progress()[0]).toEqual(told)
    })

    it('tells that a batch is gone', async () => {
      const made = make()
      const batchId = await begin(made)
      const follower = follow(made, batchId)
      await reach(made, batchId, 2, [follower])
      await publish(made, batchId, { seq: 0 }, () => follower.numbers().includes(0))
    })

    it('tells nobody who has left, and those who stay all the same', async () => {
      const made = make()
      const batchId = await begin(made)
      const [gone, left, there] = [follow(made, batchId), follow(made, batchId), follow(made, batchId)]
      gone.stop()
      gone.stop()
      await reach(made, batchId, 2, [left, there])
      left.stop()
      const before = left.seen.length
      await reach(made, batchId, 3, [there])
      expect([gone.seen.length, left.seen.length]).toEqual([0, before])
      there.stop()
      const back = follow(made, batchId)
      await reach(made, batchId, 4, [back])
    })
  })
}
