/** Heat sheets of any length, by the demo's printer. */
import { Chance } from '../../demo/chance.ts'
import { enter, inHeats } from '../../demo/entries.ts'
import { PLAIN } from '../../demo/layout.ts'
import { someSwimmers, someTeams } from '../../demo/people.ts'
import { writeSheet } from '../../demo/writer.ts'

const STROKES = ['Freestyle', 'Backstroke', 'Breaststroke', 'Butterfly', 'IM'] as const

/** A meet's program of so many pages: an event of 90 swimmers in heats of eight, set in two columns, fills one. The same number gives the same bytes. */
export async function longSheet(pages: number): Promise<Uint8Array> {
  const chance = new Chance(pages)
  const swimmers = someSwimmers(chance, { teams: someTeams(10), count: 180, ages: [11, 12] })
  const events = Array.from({ length: pages }, (_, i) => {
    const girls = i % 2 === 0
    const plan = {
      number: i + 1,
      group: `${girls ? 'Girls' : 'Boys'} 11-12`,
      distance: [100, 50, 200, 100, 400][(i >> 1) % 5] ?? 100,
      course: 'LC Meter',
      stroke: STROKES[(i >> 1) % STROKES.length] ?? 'Freestyle',
    }
    const field = chance.shuffle(swimmers.filter(({ girl }) => girl === girls))
    return inHeats(plan, enter(chance, plan, field, { none: [0.04, 'NT'] }), { lanes: 8, round: 'Finals' })
  })
  const meet = {
    name: 'Weir Valley Marathon',
    licence: 'Weirside Natatorium - Site License',
    start: '2031-03-07',
    end: '2031-03-09',
  }
  const sessions = [{ title: 'Meet Program - Saturday Prelims', events, date: '2031-03-08' }]
  return (await writeSheet('long', { meet, sessions }, PLAIN)).bytes
}
