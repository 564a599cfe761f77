/** A swimmer's merged schedule as a table of text. */
import type { MergedResults } from '../src/features/heat-sheets/schemas.ts'

type Scheduled = MergedResults['events'][number]

const HEADINGS = ['Date', 'Time', 'Event', 'Heat', 'Lane', 'Seed', 'From']
/** Set flush right, as numbers are. */
const FLUSH_RIGHT = new Set(['Heat', 'Lane', 'Seed'])

const WEEKDAY = new Intl.DateTimeFormat('en', { weekday: 'short', timeZone: 'UTC' })

function dayOf(date: string | undefined): string {
  return date === undefined ? '' : `${WEEKDAY.format(new Date(`${date}T00:00:00Z`))} ${date}`
}

function eventOf({ eventNumber, eventName, relay, round, rank, alternate }: Scheduled): string {
  const facts = [
    relay === undefined ? '' : [relay.team, relay.letter].filter((part) => part !== undefined).join(' '),
    relay?.leg === undefined ? '' : `leg ${relay.leg}`,
    alternate === undefined ? '' : `alternate ${alternate}`,
    rank === undefined ? '' : `seeded ${rank}`,
    round !== undefined && / - Final$/.test(round) ? round : '',
  ].filter((fact) => fact !== '')
  const name = `${eventNumber} ${eventName}`
  return facts.length === 0 ? name : `${name} (${facts.join(', ')})`
}

function cellsOf(event: Scheduled): string[] {
  return [
    dayOf(event.sessionDate),
    event.heatStartTime ?? '',
    eventOf(event),
    event.heatNumber === null ? '' : String(event.heatNumber),
    event.lane === null ? '' : String(event.lane),
    event.seedTime ?? '',
    event.source.filename ?? '',
  ]
}

/** The table, a line an event under one of headings. */
export function scheduleTable(events: readonly Scheduled[]): string {
  const rows = events.map(cellsOf)
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const lines = [HEADINGS, widths.map((width) => '─'.repeat(width)), ...rows].map((cells) =>
    cells
      .map((cell, i) =>
        FLUSH_RIGHT.has(HEADINGS[i] ?? '') ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}
