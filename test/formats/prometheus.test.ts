import { expect, it } from 'vitest'
import { encodeMetrics } from '../../src/formats/prometheus.ts'

it('escapes labels and writes a sample a line', () => {
  expect(
    encodeMetrics([
      { name: 'a', help: 'two\nlines', type: 'gauge', samples: [{ labels: { x: 'a"b\\c\nd' }, value: 1 }] },
      { name: 'b', help: 'sums', type: 'histogram', samples: [{ suffix: '_sum', value: 1.5 }] },
    ]),
  ).toBe(
    '# HELP a two\\nlines\n# TYPE a gauge\na{x="a\\"b\\\\c\\nd"} 1\n# HELP b sums\n# TYPE b histogram\nb_sum 1.5\n',
  )
})
