/**
 * Tables of resources: activities, participations in them, coaching notes. Ids may be the caller's own, so they are unique only
 * within an owner. Columns are named as on the wire. Times are milliseconds since the epoch.
 */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { AgeRange, GroupSize, Setting } from './activity-schemas.ts'

export const activities = sqliteTable(
  'activities',
  {
    owner: text().notNull(),
    id: text().notNull(),
    name: text().notNull(),
    description: text().notNull(),
    activityType: text('activity_type').notNull(),
    difficulty: text({ enum: ['easy', 'medium', 'hard'] }).notNull(),
    durationMinutes: integer('duration_minutes').notNull(),
    materialsNeeded: text('materials_needed', { mode: 'json' }).$type<string[]>().notNull(),
    /** Null: for all ages. */
    ageRange: text('age_range', { mode: 'json' }).$type<AgeRange>(),
    specialNeedsAdaptations: text('special_needs_adaptations'),
    /** Null: not stated. */
    setting: text().$type<Setting>(),
    /** Null: not stated. */
    groupSize: text('group_size', { mode: 'json' }).$type<GroupSize>(),
    isActive: integer('is_active', { mode: 'boolean' }).notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.id] })],
)

/** A child took part in an activity, once. */
export const participations = sqliteTable(
  'participations',
  {
    owner: text().notNull(),
    id: text().notNull(),
    childId: text('child_id').notNull(),
    activityId: text('activity_id').notNull(),
    participatedAt: integer('participated_at').notNull(),
    durationMinutes: integer('duration_minutes'),
    notes: text(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.id] })],
)

/** Number and last time of a child's participations in an activity: all that scoring needs, so that it never reads the history. */
export const participationTallies = sqliteTable(
  'participation_tallies',
  {
    owner: text().notNull(),
    childId: text('child_id').notNull(),
    activityId: text('activity_id').notNull(),
    times: integer().notNull(),
    lastAt: integer('last_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.childId, t.activityId] })],
)

/** Participations by ISO week, of a child, of an activity, and of all (`week`, with the week itself as key). */
export const participationWeeks = sqliteTable(
  'participation_weeks',
  {
    owner: text().notNull(),
    dimension: text({ enum: ['activity', 'child', 'week'] }).notNull(),
    key: text().notNull(),
    /** `2026-W07`. */
    week: text().notNull(),
    times: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.dimension, t.key, t.week] })],
)

/** A note that an adult wrote on a child. */
export const coachingNotes = sqliteTable(
  'coaching_notes',
  {
    owner: text().notNull(),
    id: text().notNull(),
    childId: text('child_id').notNull(),
    author: text().notNull(),
    text: text().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.id] })],
)
