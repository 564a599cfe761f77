/** Schemas of the resources under `/api/v1`: activities, participations in them, coaching notes, and the bodies that create and change them. */
import * as z from 'zod'
import { Id, Instant, list, optional, text, withDefault } from '../../http/request/fields.ts'

/** Kinds of activity that are known from the start. The list is open: an activity may be of another. */
export const ACTIVITY_TYPES = ['cognitive', 'motor', 'social', 'language', 'creative', 'sensory'] as const

/** Most activities, participations or notes that one request makes. */
export const MAX_CREATED = 1_000

const Months = z.int().min(0).max(1200)
const People = z.int().min(1).max(10_000)

/** A kind of activity: a lower-case word. */
export const ActivityType = z
  .string()
  .transform((value) => value.trim().toLowerCase())
  .pipe(z.string().regex(/^[a-z][a-z0-9_-]{0,49}$/, "Input should be a word such as 'cognitive', 'motor' or 'social'"))

/** Ages in months, both ends included; an end that is null is open. */
export const AgeRange = z
  .object({ min_months: Months.nullable().default(null), max_months: Months.nullable().default(null) })
  .refine(
    ({ min_months: min, max_months: max }) => min === null || max === null || min <= max,
    'min_months should not be greater than max_months',
  )
export type AgeRange = z.infer<typeof AgeRange>

/** Number of people who take part, both ends included; an end that is null is open. */
export const GroupSize = z
  .object({ min: People.nullable().default(null), max: People.nullable().default(null) })
  .refine(({ min, max }) => min === null || max === null || min <= max, 'min should not be greater than max')
export type GroupSize = z.infer<typeof GroupSize>

/** Setting in which an activity takes place. */
export const Setting = z.enum(['indoor', 'outdoor', 'both'], "Input should be 'indoor', 'outdoor' or 'both'")
export type Setting = z.infer<typeof Setting>

const Difficulty = z.enum(['easy', 'medium', 'hard'], "Input should be 'easy', 'medium' or 'hard'")
const Materials = list(text({ max: 200 }), 100)
const Minutes = z.int().min(1).max(1440)
const Name = text({ min: 1, max: 200 })
const LongText = text({ max: 10_000 })

/** An activity in answers. */
export const Activity = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    activity_type: z.string(),
    difficulty: Difficulty,
    duration_minutes: z.int(),
    materials_needed: z.array(z.string()),
    age_range: AgeRange.nullable().describe('Null: for all ages.'),
    special_needs_adaptations: z.string().nullable(),
    setting: Setting.nullable().describe('Null: not stated.'),
    group_size: GroupSize.nullable().describe('Null: not stated.'),
    is_active: z.boolean(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Activity' })
export type Activity = z.infer<typeof Activity>

/** An activity in a create. */
export const NewActivity = z
  .object({
    id: optional(Id),
    name: Name,
    description: withDefault(LongText, ''),
    activity_type: ActivityType,
    difficulty: withDefault(Difficulty, 'medium'),
    duration_minutes: withDefault(Minutes, 30),
    materials_needed: withDefault(Materials, []),
    age_range: withDefault(AgeRange, null),
    special_needs_adaptations: withDefault(LongText, null),
    setting: withDefault(Setting, null),
    group_size: withDefault(GroupSize, null),
    is_active: withDefault(z.boolean(), true),
  })
  .meta({ id: 'NewActivity' })

/** Changes to an activity: fields that are left out stay; `null` empties those that may be empty. Unknown fields are ignored. */
export const ActivityChanges = z.object({
  name: optional(Name),
  description: optional(LongText),
  activity_type: optional(ActivityType),
  difficulty: optional(Difficulty),
  duration_minutes: optional(Minutes),
  materials_needed: optional(Materials),
  age_range: AgeRange.nullable().optional(),
  special_needs_adaptations: LongText.nullable().optional(),
  setting: Setting.nullable().optional(),
  group_size: GroupSize.nullable().optional(),
  is_active: optional(z.boolean()),
})

/** A child took part in an activity once. */
export const NewParticipation = z.object({
  id: optional(Id),
  child_id: Id,
  activity_id: Id,
  participated_at: optional(Instant).describe('Default: now.'),
  duration_minutes: withDefault(Minutes, null),
  notes: withDefault(LongText, null),
})

/** A note that an adult wrote on a child. */
export const NewCoachingNote = z.object({
  id: optional(Id),
  child_id: Id,
  author: Name,
  text: text({ min: 1, max: 10_000 }),
})

/** Changes to a note; its child stays. */
export const CoachingNoteChanges = z.object({
  author: optional(Name),
  text: optional(text({ min: 1, max: 10_000 })),
})

/** A participation in answers. */
export const Participation = z
  .object({
    id: z.string(),
    child_id: z.string(),
    activity_id: z.string(),
    participated_at: z.iso.datetime(),
    duration_minutes: z.int().nullable(),
    notes: z.string().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Participation' })

/** A coaching note in answers. */
export const CoachingNote = z
  .object({
    id: z.string(),
    child_id: z.string(),
    author: z.string(),
    text: z.string(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'CoachingNote' })
