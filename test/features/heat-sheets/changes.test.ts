/** Differences between two extractions of one meet. */
import { expect, it } from 'vitest'
import { compare } from '../../../src/features/heat-sheets/changes.ts'
import type { SwimEvent } from '../../../src/features/heat-sheets/schemas.ts'

const swim = (event: Partial<SwimEvent> = {}): SwimEvent => ({
  eventNumber: 1,
  eventName: 'Girls 11-12 100 Yard Freestyle',
  heatNumber: 1,
  lane: 4,
  swimmerName: 'Ada Quill',
  seedTime: '59.10',
  heatStartTime: '09:05',
  sessionDate: '2031-03-07',
  ...event,
})

const of = (covered: readonly string[], ...events: SwimEvent[]) => ({ events, covered })

/** What changed between one swim and another of the same event. */
function fieldsOf(before: Partial<SwimEvent>, after: Partial<SwimEvent>) {
  const { changes } = compare(of(['1'], swim(before)), of(['1'], swim(after)))
  return changes.map(({ kind, fields }) => [kind, ...fields])
}

it.each([
  [{}, {}, []],
  [{}, { lane: 5 }, [['changed', 'lane']]],
  [{}, { heatNumber: 2, seedTime: '58.00' }, [['changed', 'heatNumber', 'seedTime']]],
  [{}, { heatStartTime: '09:15' }, [['changed', 'heatStartTime']]],
  [{}, { sessionDate: '2031-03-08' }, [['changed', 'sessionDate']]],
  // Estimates are no news; a printed start in place of one is.
  [{}, { heatStartTime: '09:15', estimated: true as const }, []],
  [{ heatStartTime: '09:15', estimated: true as const }, {}, [['changed', 'heatStartTime']]],
])('from %j to %j: %j', (before, after, changes) => expect(fieldsOf(before, after)).toEqual(changes))

it('a psych sheet and a heat sheet tell of one swim, prelims and finals of two', () => {
  const listed = swim({ heatNumber: null, lane: null, rank: 3 })
  expect(compare(of(['1'], listed), of(['1 prelims'], swim({ round: 'Prelims' }))).changes).toMatchObject([
    {
      kind: 'changed',
      fields: ['heatNumber', 'lane'],
      before: { heatNumber: null },
      after: { heatNumber: 1, lane: 4 },
    },
  ])
  const [prelims, finals] = [swim({ round: 'Prelims' }), swim({ round: 'A - Final' })]
  expect(compare(of(['1 prelims'], prelims), of(['1 finals'], finals))).toEqual({
    changes: [],
    unchanged: 0,
    notCompared: 2,
  })
  expect(compare(of(['1 prelims'], prelims), of(['1 finals'])).changes).toEqual([])
})

it('a relay of the same number is another swim', () => {
  const relay = swim({ relay: { team: 'MILL', letter: 'A', leg: 1 } })
  expect(compare(of(['1'], swim()), of(['1'], relay)).changes.map(({ kind }) => kind)).toEqual(['added', 'scratched'])
})
