/** Wake-ups and notices within a process: the suites of their ports. Runs on Node and inside workerd. */
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { dispatcherContract } from '../contracts/dispatcher.ts'
import { notifierContract } from '../contracts/notifier.ts'

dispatcherContract('A process', createLocalDispatcher)
notifierContract('A process', () => ({ notifier: createMemoryNotifier() }))
