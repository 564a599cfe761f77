/** The crash run at length: `node bench/soak.ts [kills] [minutes]`, 1,000 kills and no end of time by default. */
import { type CrashReport, crash } from '../test/crash/crash.ts'
import { chosenSeed } from '../test/crash/random.ts'
import { writeSection } from './parts/report.ts'

/** After so many kills the books are gone through, and the next round begins on an empty folder. */
const KILLS_A_ROUND = 25

const kills = Number(process.argv[2] ?? 1_000)
const minutes = Number(process.argv[3] ?? Number.POSITIVE_INFINITY)
if (!Number.isInteger(kills) || kills < 1 || !(minutes > 0)) throw new Error('node bench/soak.ts [kills] [minutes]')

const firstSeed = chosenSeed()
const beganAt = Date.now()
const spent = () => (Date.now() - beganAt) / 60_000
const reports: CrashReport[] = []
const sum = (of: (report: CrashReport) => number) => reports.reduce((all, report) => all + of(report), 0)
const count = (value: number) => value.toLocaleString('en')
const killed = () => sum((report) => report.kills)

console.log(`CRASH_SEED=${firstSeed}`)
while (killed() < kills && spent() < minutes && reports.every(({ faults }) => faults.length === 0)) {
  const left = Math.min(KILLS_A_ROUND, kills - killed())
  const report = await crash({
    seed: firstSeed + reports.length,
    enough: (done) => done >= left || (done > 0 && spent() >= minutes),
  })
  reports.push(report)
  console.log(
    `${killed()} of ${kills} kills, ${spent().toFixed(1)} min, ${sum(({ jobs }) => jobs)} jobs, ${report.faults.length} faults`,
  )
}
for (const { seed, faults } of reports) for (const fault of faults) console.error(`CRASH_SEED=${seed}: ${fault}`)

const faults = sum((report) => report.faults.length)
await writeSection(
  'soak',
  `## Soak: \`kill -9\`, again and again

A server process is killed at random instants while three clients submit batches of two operations, some bounded, some fed in slices, some
cancelled or retried; a request whose answer was lost is sent again. Every ${KILLS_A_ROUND} kills the books are gone through: nothing accepted lost, nothing
counted twice, event numbers without a gap, one event of its end a job, tallies equal to the sum of the results, every result that of its item.

| kills while working | kills during a start | minutes | batches | jobs | events | jobs taken back from the dead | requests sent again | promises broken |
|---|---|---|---|---|---|---|---|---|
| ${count(killed())} | ${count(sum((r) => r.unborn))} | ${spent().toFixed(1)} | ${count(sum((r) => r.batches))} | ${count(sum((r) => r.jobs))} | ${count(sum((r) => r.events))} | ${count(sum((r) => r.takenBack))} | ${count(sum((r) => r.lostAnswers))} | ${faults} |

\`npm run soak\` makes 1,000 kills; \`npm run soak -- <kills> <minutes>\` fewer. First seed of this run: ${firstSeed}.`,
)
process.exit(faults === 0 ? 0 : 1)
