// Reads the reports of test runs for `.ci/run`; runs on any Node from 18 on.
//
//   report.mjs failed REPORT                           names of files with failures, one a line: nothing when there are more failures than may be tried again
//   report.mjs count REPORT SECOND PROBES EXIT_CODE    names each failure, counts tests and probes; exit code 1 unless all is well
//
// A machine that others share now and then stops a process for seconds. So up to MAX_SECOND_TRIES failures of a whole run are run once more, by themselves,
// and each that passes then is named in the last lines: it is a fault to be looked into, of the test or of what it tests, though not one that stops a landing.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

const MAX_SECOND_TRIES = 3

const [, , command, ...args] = process.argv

/** Failures of a report: failed tests, and files that could not be loaded, none of whose tests ran. */
function readReport(file) {
  const { numPassedTests, testResults } = JSON.parse(readFileSync(file, 'utf8'))
  const failures = testResults.flatMap(({ name, status, message, assertionResults }) => {
    const path = relative(process.cwd(), name)
    const failed = assertionResults.filter((test) => test.status === 'failed')
    if (status === 'failed' && failed.length === 0) return [{ path, test: '(the file)', reason: message }]
    return failed.map(({ fullName, failureMessages }) => ({ path, test: fullName, reason: failureMessages[0] ?? '' }))
  })
  return { passed: numPassedTests, failures }
}

function print(title, failures) {
  for (const { path, test, reason } of failures)
    console.log(`${title} ${path} > ${test}: ${reason.split('\n')[0].slice(0, 300)}`)
}

if (command === 'failed') {
  const { failures } = readReport(args[0])
  const files = new Set(failures.map(({ path }) => path))
  if (failures.length <= MAX_SECOND_TRIES) for (const file of files) console.log(file)
} else {
  const [reportFile, secondFile, probesFile, code] = args
  const first = readReport(reportFile)
  const second = secondFile === '' ? undefined : readReport(secondFile)
  const failures = second?.failures ?? first.failures
  const [, held = 0, broken = 1] =
    /: (\d+) passed, (\d+) failed, \d+ skipped\s*$/.exec(readFileSync(probesFile, 'utf8')) ?? []
  const atSecondTry = second === undefined ? 0 : Math.max(0, first.failures.length - failures.length)
  if (second !== undefined) print('FAILED AT THE FIRST TRY', first.failures)
  print('FAILED', failures)
  const passed = first.passed + atSecondTry + Number(held)
  const failed = failures.length + Number(broken)
  if (failed === 0 && code !== '0')
    console.log('All tests and probes passed, and something beside them went wrong: see above.')
  console.log(`${passed} passed${atSecondTry > 0 ? ` (${atSecondTry} at the second try)` : ''}, ${failed} failed`)
  process.exit(failed === 0 && first.passed > 0 && code === '0' ? 0 : 1)
}
