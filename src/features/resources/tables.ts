/**
 * The types of resource that are rows of a table of their own: how their rows look on the wire, how they are made, and what of them may
 * be changed. Reading in batches, pages, creation and batch writes all work from this table, so that another type is one more entry.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import type * as z from 'zod'
import type { Rows } from '../../rows/owned-rows.ts'
import { ActivityChanges, CoachingNoteChanges, NewActivity, NewCoachingNote, NewParticipation } from './activities.ts'
import { activities, coachingNotes, participations } from './activity-tables.ts'

/** A type of resource whose rows have columns named as on the wire. */
export interface TableResource extends Rows {
  /** In front of an id in messages: `Activity`. */
  readonly noun: string
  /** Schema of a new resource. */
  readonly create: z.ZodType<Record<string, unknown>>
  /** Schema of the changes; null where nothing may be changed or deleted. */
  readonly changes: z.ZodType<Record<string, unknown>> | null
}

/** Milliseconds since the epoch as ISO 8601 in UTC. */
const time = (column: SQLiteColumn) => sql`strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1000.0, 'unixepoch')`
/** JSON kept as text, or null. */
const nested = (column: SQLiteColumn) => sql`json(${column})`
const boolean = (column: SQLiteColumn) => sql`json(iif(${column}, 'true', 'false'))`

function jsonObject(fields: Readonly<Record<string, SQLiteColumn | SQL>>): SQL {
  // Names are ours; as literals the expression is the same text each time.
  const members = Object.entries(fields).map(([name, value]) => sql`${sql.raw(`'${name}'`)}, ${value}`)
  return sql`json_object(${sql.join(members, sql`, `)})`
}

export const TABLE_RESOURCES = {
  activities: {
    noun: 'Activity',
    table: activities,
    json: jsonObject({
      id: activities.id,
      name: activities.name,
      description: activities.description,
      activity_type: activities.activityType,
      difficulty: activities.difficulty,
      duration_minutes: activities.durationMinutes,
      materials_needed: nested(activities.materialsNeeded),
      age_range: nested(activities.ageRange),
      special_needs_adaptations: activities.specialNeedsAdaptations,
      setting: activities.setting,
      group_size: nested(activities.groupSize),
      is_active: boolean(activities.isActive),
      created_at: time(activities.createdAt),
      updated_at: time(activities.updatedAt),
    }),
    create: NewActivity,
    changes: ActivityChanges,
  },
  coaching: {
    noun: 'Coaching note',
    table: coachingNotes,
    json: jsonObject({
      id: coachingNotes.id,
      child_id: coachingNotes.childId,
      author: coachingNotes.author,
      text: coachingNotes.text,
      created_at: time(coachingNotes.createdAt),
      updated_at: time(coachingNotes.updatedAt),
    }),
    create: NewCoachingNote,
    changes: CoachingNoteChanges,
  },
  participations: {
    noun: 'Participation',
    table: participations,
    json: jsonObject({
      id: participations.id,
      child_id: participations.childId,
      activity_id: participations.activityId,
      participated_at: time(participations.participatedAt),
      duration_minutes: participations.durationMinutes,
      notes: participations.notes,
      created_at: time(participations.createdAt),
    }),
    create: NewParticipation,
    // Its tallies count what happened; a record of what happened is not rewritten.
    changes: null,
  },
} as const satisfies Record<string, TableResource>

/** Name of a type of resource that is a table. */
export type TableResourceName = keyof typeof TABLE_RESOURCES
