/** The heat-sheet surface, `/api/batch/*`: what its requests, answers and events hold, as its clients know them. */
import { z } from 'zod'

/** One entry of a swimmer in a heat or psych sheet. Optional fields are absent where the sheet does not print them. */
export const SwimEvent = z.object({
  /** Number of the event; a combined `21 / 22` counts under its first number. */
  eventNumber: z.int(),
  /** As printed, ligatures resolved: `Girls 11-12 100 Yard Freestyle`. */
  eventName: z.string(),
  /** Running number of the heat; null on lists without heats (psych sheets, alternates). */
  heatNumber: z.int().nullable(),
  /** Null on lists without heats. */
  lane: z.int().nullable(),
  /** `First Last`. */
  swimmerName: z.string(),
  /** Years; absent where the sheet prints a school year instead. */
  age: z.int().optional(),
  /** School year as printed: `SR`, `4`. */
  grade: z.string().optional(),
  team: z.string().optional(),
  /** As printed, course letter joined (`2:52.14L`), exhibition `X` kept; `NT`, `NP` where there is none. */
  seedTime: z.string().optional(),
  /** `HH:MM`, 24 h. */
  heatStartTime: z.string().optional(),
  /** `YYYY-MM-DD`. */
  sessionDate: z.string().optional(),
  /** Position in a list without heats. */
  rank: z.int().optional(),
  /** Position in an Alternates block. */
  alternate: z.int().optional(),
  /** As printed in the heat's heading: `A - Final`. */
  round: z.string().optional(),
  /** Set when the entry is a leg of a relay; `leg` counts from 1. */
  relay: z.object({ team: z.string(), letter: z.string().optional(), leg: z.int() }).optional(),
})
export type SwimEvent = z.infer<typeof SwimEvent>
