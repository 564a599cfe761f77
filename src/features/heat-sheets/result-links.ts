/** Makes the URLs of a shared result, for pages and calendars. */
import type { Context } from 'hono'
import type { AppDeps, Env } from '../../http/context.ts'
import { publicAddress } from '../../http/response/public-address.ts'

type Deps = Pick<AppDeps, 'publicUrl' | 'isLocal'>

/** Address of the page of a result. */
export const pageAddress = (c: Context<Env>, deps: Deps, code: string) =>
  publicAddress(deps, c.req.url, `/results/${code}`)

/** Address of the calendar of a result. */
export const calendarAddress = (c: Context<Env>, deps: Deps, code: string) =>
  publicAddress(deps, c.req.url, `/api/result/${code}/calendar.ics`)

/** Returns a URL if it is absolute, so that it works outside the pages of this server. */
export const ifWhole = (address: string) => (/^https?:/.test(address) ? address : undefined)
