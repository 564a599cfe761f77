/**
 * The order of suites: those that take longest begin first, so that none of them is left alone at the end while the other cores idle. A fresh
 * clone has no times of earlier runs, and vitest then goes by the size of the files.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Suites of more than half a minute on a quiet machine. */
const LONGEST = [
  'features/heat-sheets/hanging-link',
  'features/heat-sheets/parse-in-stages',
  'http/hostile-bodies',
  'cloudflare/dev-server',
  'fuzz/requests',
  'crash/crash',
  'crash/workers',
  'crash/two-processes',
  'package/package',
  'http/openapi/generated-clients',
]
const isLong = ({ moduleId }: TestSpecification) => LONGEST.some((name) => moduleId.includes(`/test/${name}.`))

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}
