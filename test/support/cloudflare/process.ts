/**
 * The built Worker as a server process. Takes `PORT`, `DATA_DIR` and `WORKER_BUILD` (the folder of the build) from the environment, hands the
 * rest to the Worker, and says where it listens as Node's entry does. With `MEASURES_LOOP` the build is that of measured-worker.ts.
 */
import { type CloudflareAnswer, CloudflareQuestion } from './questions.ts'
import { openCloudflareServer } from './server.ts'
import { StretchMeter } from './stretches.ts'

const CRON_EVERY_MS = 10_000
const {
  PORT = '0',
  DATA_DIR = '',
  WORKER_BUILD = '',
  MEASURES_LOOP,
  PATH: _path,
  HOME: _home,
  ...variables
} = process.env
const { server, url, d1 } = await openCloudflareServer({
  build: WORKER_BUILD,
  dataDir: DATA_DIR,
  port: Number(PORT),
  variables,
})
const meter = MEASURES_LOOP === undefined ? null : new StretchMeter(url)

async function answer(question: CloudflareQuestion): Promise<CloudflareAnswer> {
  if (question.do === 'blobs') {
    const { objects } = await (await server.getR2Bucket('BLOBS')).list()
    return { lines: objects.map(({ key }) => key), code: 0 }
  }
  const [command, ...args] = question.args
  if (command !== 'keys') return { lines: [`There is no command "${command}" on Cloudflare.`], code: 1 }
  // Loaded by the few suites that make keys: every suite starts this process, and these take as long as all the rest.
  const [{ keysCommand }, { openD1 }] = await Promise.all([
    import('../../../src/commands.ts'),
    import('../../../src/drivers/db-d1.ts'),
  ])
  try {
    return {
      lines: [await keysCommand({ db: openD1(d1).db, clock: { now: Date.now }, called: 'npm run keys --' }, args)],
      code: 0,
    }
  } catch (error) {
    return { lines: [String(error)], code: 1 }
  }
}

// The cron trigger; on the platform it comes every minute.
setInterval(() => void server.getWorker().then((worker) => worker.scheduled({ cron: '* * * * *' })), CRON_EVERY_MS)
const end = () => void server.dispose().then(() => process.exit(0))
process.on('SIGTERM', end)
// The tests are gone, however they ended.
process.on('disconnect', end)
process.on('message', (message) => {
  if (message === 'longest stretch') void meter?.longestMs().then((longestMs) => process.send?.({ longestMs }))
  else void answer(CloudflareQuestion.parse(message)).then((said) => process.send?.(said))
})
console.log(`Millrace listens on ${url.origin}`)
