/** The client of schedules, `/api/schedules`. */
import type {
  ChangeSchedule,
  CreateSchedule,
  ListSchedules,
  Schedule,
  ScheduleAnswer,
  ScheduleList,
  ScheduleRun,
  ScheduleRuns,
  ScheduleStarted,
  ScheduleSummary,
} from '../features/schedules/schemas.ts'
import type { Client } from './client.ts'
import { readCoded } from './errors.ts'
import { type Call, type Http, json } from './http.ts'
import { Page } from './page.ts'
import type { Read } from './schema-types.ts'
import type { CallOptions } from './types.ts'

/** A schedule by its id, or as it was answered. */
export type ScheduleRef = string | { readonly id: string }

/**
 * Makes the client of schedules.
 *
 * @example
 * const schedules = schedulesClient(createClient({ baseUrl: 'http://localhost:8000' }))
 * await schedules.create({ name: 'Daily', cron: '0 8 * * *', timezone: 'Europe/Berlin', operation: 'echo', items: [{ value: 1 }] })
 */
export function schedulesClient(client: Client): SchedulesClient {
  return new SchedulesClient(client)
}

export class SchedulesClient {
  readonly #http: Http

  /** Use `schedulesClient`. */
  constructor(client: Client) {
    this.#http = client.http.at({ name: 'schedules', mount: '/api/schedules', read: readCoded })
  }

  /**
   * Makes a schedule. Sent once: where no answer comes, look for its name.
   * @throws ApiError CONFLICT when its name is taken, UNPROCESSABLE when `cron` or `timezone` is none
   */
  create(schedule: CreateSchedule, call?: CallOptions): Promise<Schedule> {
    return this.#one('', { method: 'POST', again: false, ...json(schedule), ...call })
  }

  /** The caller's schedules, newest first, without their items. */
  async list(query: Read<typeof ListSchedules> = {}, call?: CallOptions): Promise<Page<ScheduleSummary, string>> {
    const { schedules, next }: ScheduleList = await this.#http.json('', { query, ...call })
    return new Page(schedules, next, (cursor) => this.list({ ...query, cursor }, call))
  }

  /** Reads a schedule, and the next times that it is due. @throws ApiError NOT_FOUND */
  read(schedule: ScheduleRef, call?: CallOptions): Promise<Schedule> {
    return this.#one(pathOf(schedule), call)
  }

  /** Reads the latest 100 runs of a schedule, and the ids of their batches. */
  async runs(schedule: ScheduleRef, call?: CallOptions): Promise<readonly ScheduleRun[]> {
    const { runs }: ScheduleRuns = await this.#http.json(pathOf(schedule, '/runs'), call)
    return runs
  }

  /** Changes the fields that are given. @throws ApiError as `create` does */
  change(schedule: ScheduleRef, fields: ChangeSchedule, call?: CallOptions): Promise<Schedule> {
    return this.#one(pathOf(schedule), { method: 'PATCH', ...json(fields), ...call })
  }

  /** Pauses a schedule: it has no due time until it is resumed. */
  pause(schedule: ScheduleRef, call?: CallOptions): Promise<Schedule> {
    return this.#one(pathOf(schedule, '/pause'), { method: 'POST', ...call })
  }

  /** Resumes a paused schedule: its next due time is after now. */
  resume(schedule: ScheduleRef, call?: CallOptions): Promise<Schedule> {
    return this.#one(pathOf(schedule, '/resume'), { method: 'POST', ...call })
  }

  /** Begins the batch of a schedule now. Sent once. @returns the batch, to be followed */
  run(schedule: ScheduleRef, call?: CallOptions): Promise<ScheduleStarted> {
    return this.#http.json(pathOf(schedule, '/run'), { method: 'POST', again: false, ...call })
  }

  /** Deletes a schedule; the batches that it began stay. */
  async delete(schedule: ScheduleRef, call?: CallOptions): Promise<void> {
    await this.#http.json(pathOf(schedule), { method: 'DELETE', again: false, ...call })
  }

  async #one(path: string, call?: Call): Promise<Schedule> {
    const { schedule }: ScheduleAnswer = await this.#http.json(path, call)
    return schedule
  }
}

const pathOf = (schedule: ScheduleRef, what = '') =>
  `/${encodeURIComponent(typeof schedule === 'string' ? schedule : schedule.id)}${what}`
