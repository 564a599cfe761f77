/**
 * Registry of the types of resource that have a table: the columns on the wire, the schema of a create, and the schema of changes. Batch
 * reads, pages, creates and batch writes all work from it, so that another type is one more entry.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import type * as z from 'zod'
import type { Rows } from '../../rows/owned-rows.ts'
import {
  ActivityChanges,
  CoachingNoteChanges,
  NewActivity,
  NewCoachingNote,
  NewParticipation,
} from './activity-schemas.ts'
import { activities, coachingNotes, participations } from './activity-tables.ts'

/** A type of resource whose rows have columns named as on the wire. */
export interface TableResource extends Rows {
  /** Name of the type in messages: `Activity`. */
  readonly noun: string
  /** Schema of a new resource. */
  readonly create: z.ZodType<Record<string, unknown>>
  /** Schema of changes; null where rows can be neither changed nor deleted. */
  readonly changes: z.ZodType<Record<string, unknown>> | null
}

/** Milliseconds since the epoch as ISO 8601 in UTC. */
const time = (column: SQLiteColumn) => sql`strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1000.0, 'unixepoch')`
/** JSON kept as text, or null. */
const nested = (column: SQLiteColumn) => sql`json(${column})`
const boolean = (column: SQLiteColumn) => sql`json(iif(${column}, 'true', 'false'))`

function jsonObject(fields: Readonly<Record<string, SQLiteColumn | SQL>>): SQL {
  // The names are constants of this file, so they are safe as literals, which keep the text of the expression constant.
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
    // Append-only: its tallies count the rows, and a change would make them wrong.
    changes: null,
  },
} as const satisfies Record<string, TableResource>

/** Name of a type of resource that is a table. */
export type TableResourceName = keyof typeof TABLE_RESOURCES
