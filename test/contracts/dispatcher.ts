/** What every Dispatcher must do. Wake-ups carry nothing and may be told late or as one, so only that they come is looked at. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Dispatcher } from '../../src/ports.ts'
import { until } from '../support/fixture.ts'

/** Runs the suite against dispatchers that `make` gives. */
export function dispatcherContract(name: string, make: () => Dispatcher): void {
  describe(`${name} as a Dispatcher`, () => {
    const ends: (() => void)[] = []
    afterEach(() => {
      for (const end of ends.splice(0)) end()
    })
    const listen = (dispatcher: Dispatcher) => {
      let heard = 0
      const stop = dispatcher.onWake(() => {
        heard++
      })
      ends.push(stop)
      const hears = (atLeast: number) => until(async () => (heard >= atLeast ? true : null))
      return { stop, hears, heard: () => heard }
    }

    it('wakes everybody who listens, again and again', async () => {
      const dispatcher = make()
      const listeners = [listen(dispatcher), listen(dispatcher)]
      for (const times of [1, 2, 3]) {
        dispatcher.wake()
        await Promise.all(listeners.map(({ hears }) => hears(times)))
      }
    })

    it('loses no wake-up of many at once, though it may tell of them as one', async () => {
      const dispatcher = make()
      const { hears } = listen(dispatcher)
      for (let i = 0; i < 100; i++) dispatcher.wake()
      await hears(1)
    })

    it('calls nobody who has stopped listening', async () => {
      const dispatcher = make()
      const [gone, there] = [listen(dispatcher), listen(dispatcher)]
      dispatcher.wake()
      await Promise.all([gone.hears(1), there.hears(1)])
      gone.stop()
      gone.stop()
      const heard = gone.heard()
      const before = there.heard()
      dispatcher.wake()
      await there.hears(before + 1)
      expect(gone.heard()).toBe(heard)
    })
  })
}
