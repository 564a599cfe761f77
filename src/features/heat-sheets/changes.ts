/** Compares two extractions of one meet for a swimmer: moved, removed and added swims. */
import { roundOf } from './meet-key.ts'
import type { Change, SwimEvent } from './schemas.ts'

/** Swims of one swimmer at one meet, from the documents of one batch. */
export interface Extracted {
  readonly events: readonly SwimEvent[]
  /** All events of its documents, with their rounds, also those without the swimmer. */
  readonly covered: readonly string[]
}

/** Outcome of a comparison; swims of events in only one side's documents are not compared. */
export interface Comparison {
  readonly changes: Omit<Change, 'swimmerName' | 'meetName'>[]
  readonly unchanged: number
  readonly notCompared: number
}

const FIELDS = ['heatNumber', 'lane', 'seedTime', 'heatStartTime', 'sessionDate'] as const

const kindOf = ({ relay }: SwimEvent) => (relay === undefined ? 'own' : 'relay')

/** Returns true where rounds may be the same: a psych sheet names none. */
const isSameRound = (one: string, other: string) => one === other || one === '' || other === ''

function isSameSwim(one: SwimEvent, other: SwimEvent): boolean {
  const isSameEvent = one.eventNumber === other.eventNumber && kindOf(one) === kindOf(other)
  return isSameEvent && isSameRound(roundOf(one.round), roundOf(other.round))
}

function isCovered({ covered }: Extracted, { eventNumber, round }: SwimEvent): boolean {
  return covered.some((text) => {
    const [number, ...words] = text.split(' ')
    return number === String(eventNumber) && isSameRound(words.join(' '), roundOf(round))
  })
}

function placeOf({ heatNumber, lane, seedTime, heatStartTime, sessionDate }: SwimEvent): NonNullable<Change['before']> {
  return {
    heatNumber,
    lane,
    seedTime: seedTime ?? null,
    heatStartTime: heatStartTime ?? null,
    sessionDate: sessionDate ?? null,
  }
}

/** Lists the fields that differ. A start that is now only estimated is no change, nor is a day that is no longer printed. */
function differing(before: SwimEvent, after: SwimEvent): (typeof FIELDS)[number][] {
  const [one, other] = [placeOf(before), placeOf(after)]
  return FIELDS.filter((field) => {
    if (field === 'heatStartTime' && (after.estimated || other.heatStartTime === null)) return false
    if (field === 'sessionDate' && other.sessionDate === null) return false
    return one[field] !== other[field]
  })
}

/** Compares an extraction with the previous one. */
export function compare(before: Extracted, after: Extracted): Comparison {
  const left = [...before.events]
  const changes: Comparison['changes'] = []
  let [unchanged, notCompared] = [0, 0]
  for (const event of after.events) {
    const { eventNumber, eventName } = event
    const at = left.findIndex((one) => isSameSwim(one, event))
    const [earlier] = at < 0 ? [] : left.splice(at, 1)
    if (earlier !== undefined) {
      const fields = differing(earlier, event)
      if (fields.length === 0) unchanged++
      else
        changes.push({
          kind: 'changed',
          eventNumber,
          eventName,
          fields,
          before: placeOf(earlier),
          after: placeOf(event),
        })
    } else if (isCovered(before, event)) {
      changes.push({ kind: 'added', eventNumber, eventName, fields: [], before: null, after: placeOf(event) })
    } else notCompared++
  }
  for (const event of left) {
    const { eventNumber, eventName } = event
    if (!isCovered(after, event)) notCompared++
    else changes.push({ kind: 'scratched', eventNumber, eventName, fields: [], before: placeOf(event), after: null })
  }
  return { changes: changes.toSorted((a, b) => a.eventNumber - b.eventNumber), unchanged, notCompared }
}
