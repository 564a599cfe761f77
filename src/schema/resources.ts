/**
 * The types of resource that are rows of a table of their own: how their rows look on the wire, how they are made, and what of them may
 * be changed. Reading in batches, pages, creation and batch writes all work from this table, so that another type is one more entry.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { z } from 'zod'
import {
  ActivityChanges,
  CoachingNoteChanges,
  NewActivity,
  NewCoachingNote,
  NewParticipation,
} from '../wire/activities.ts'
import { activities, coachingNotes, participations } from './activities.ts'

/** A type of resource whose rows have `owner` and `id` as their key and columns named as on the wire. */
export interface TableResource {
  /** In front of an id in messages: `Activity`. */
  readonly noun: string
  readonly table: SQLiteTable & { readonly owner: SQLiteColumn; readonly id: SQLiteColumn }
  /** Names on the wire, in their order, and what is selected for each. `id` is the first. */
  readonly fields: Readonly<Record<string, SQLiteColumn | SQL>>
  /** What a new one is made of. */
  readonly create: z.ZodType<Record<string, unknown>>
  /** What may be changed; null where nothing may, and nothing deleted. */
  readonly changes: z.ZodType<Record<string, unknown>> | null
}

/** Selects a column of milliseconds as ISO 8601. */
function time(column: SQLiteColumn): SQL<string> {
  return sql<string>`${column}`.mapWith((ms: number) => new Date(ms).toISOString())
}

/** How an activity looks on the wire. */
export const ACTIVITY_FIELDS = {
  id: activities.id,
  name: activities.name,
  description: activities.description,
  activity_type: activities.activityType,
  difficulty: activities.difficulty,
  duration_minutes: activities.durationMinutes,
  materials_needed: activities.materialsNeeded,
  age_range: activities.ageRange,
  special_needs_adaptations: activities.specialNeedsAdaptations,
  setting: activities.setting,
  group_size: activities.groupSize,
  is_active: activities.isActive,
  created_at: time(activities.createdAt),
  updated_at: time(activities.updatedAt),
} as const

export const TABLE_RESOURCES = {
  activities: {
    noun: 'Activity',
    table: activities,
    fields: ACTIVITY_FIELDS,
    create: NewActivity,
    changes: ActivityChanges,
  },
  coaching: {
    noun: 'Coaching note',
    table: coachingNotes,
    fields: {
      id: coachingNotes.id,
      child_id: coachingNotes.childId,
      author: coachingNotes.author,
      text: coachingNotes.text,
      created_at: time(coachingNotes.createdAt),
      updated_at: time(coachingNotes.updatedAt),
    },
    create: NewCoachingNote,
    changes: CoachingNoteChanges,
  },
  participations: {
    noun: 'Participation',
    table: participations,
    fields: {
      id: participations.id,
      child_id: participations.childId,
      activity_id: participations.activityId,
      participated_at: time(participations.participatedAt),
      duration_minutes: participations.durationMinutes,
      notes: participations.notes,
      created_at: time(participations.createdAt),
    },
    create: NewParticipation,
    // Its tallies count what happened; a record of what happened is not rewritten.
    changes: null,
  },
} as const satisfies Record<string, TableResource>

/** Owner of what everybody may read. */
export const SHARED = 'shared'

/**
 * Selects `{id, own}` of those ids that an owner may read: `own` is 1 for its own rows, 0 for shared ones. An own row comes after a
 * shared one of the same id.
 * @param ids a JSON array
 */
export function selectWhose(table: TableResource['table'], owner: string, ids: string): SQL {
  return sql`SELECT id, owner = ${owner} AS own FROM ${table}
    WHERE owner IN (${owner}, ${SHARED}) AND id IN (SELECT value FROM json_each(${ids})) ORDER BY own`
}

/** Name of a type of resource that is a table. */
export type TableResourceName = keyof typeof TABLE_RESOURCES
