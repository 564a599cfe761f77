/** Makes warnings about the result for a swimmer, in a version for the owner and one for shared results. */
import { spokenDays } from './dates.ts'
import type { Sheet, SheetEntry } from './sheet.ts'

/** Text of a warning. */
export interface Warning {
  /** Text for the owner of the batch. */
  readonly text: string
  /** Text for shared results, which reveals nothing of other swimmers. Null where nothing remains. */
  readonly shared: string | null
}

/** Makes a warning that reveals nothing of other swimmers. */
export const openly = (text: string): Warning => ({ text, shared: text })

/** Warns once where entries have no day, because the sheet prints none or is ambiguous. */
export function dayWarnings({ meet, sessions, events }: Sheet, entries: readonly SheetEntry[]): Warning[] {
  const isDated = ({ event }: SheetEntry) => typeof sessions[events[event]?.session ?? -1]?.date === 'string'
  const days = meet.start === null || meet.end === null ? null : spokenDays({ start: meet.start, end: meet.end })
  const unsure =
    meet.unsure === undefined || days === null
      ? []
      : [openly(`The sheet writes '${meet.unsure}', in which day and month could change places; ${days} was read.`)]
  if (entries.every(isDated)) return unsure
  if (days === null) {
    return [openly('The sheet prints no dates, so the events have none.')]
  }
  return [
    ...unsure,
    openly(`The sheet does not say on which day of the meet (${days}) a session is; its events carry no day.`),
  ]
}

/** Most pages that a warning names. */
const MAX_PAGES = 12

function spokenPages(pages: readonly number[]): string {
  if (pages.length === 0) return ''
  const named = pages.slice(0, MAX_PAGES).join(', ')
  return ` (page${pages.length === 1 ? '' : 's'} ${named}${pages.length > MAX_PAGES ? ' and others' : ''})`
}

/** Warns once where lines of the sheet could not be read, and where a language model read it. */
export function readingWarnings(sheet: Pick<Sheet, 'unread' | 'unreadPages' | 'byModel'>): Warning[] {
  return [...modelWarnings(sheet), ...unreadWarnings(sheet)]
}

function modelWarnings({ byModel }: Pick<Sheet, 'byModel'>): Warning[] {
  if (byModel === undefined) return []
  const { model, dropped } = byModel
  const entries = dropped === 1 ? 'one entry that is' : `${dropped} entries that are`
  const without = dropped === 0 ? '' : ` It answered with ${entries} not printed there, which were left out.`
  const text = `This sheet's layout is unknown, so the language model ${model} read it: check the events against the sheet.`
  return [openly(text + without)]
}

function unreadWarnings({ unread, unreadPages }: Pick<Sheet, 'unread' | 'unreadPages'>): Warning[] {
  if (unread === 0) return []
  const lines = unread === 1 ? 'One line' : `${unread} lines`
  return [openly(`${lines} of this sheet could not be read${spokenPages(unreadPages)}.`)]
}
