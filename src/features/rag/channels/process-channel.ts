/** Begins the job of a channel that a request names, and has it processed again by itself where that is asked for. */
import type { Submission } from '../../../engine/transitions/submission.ts'
import type { AppDeps } from '../../../http/context.ts'
import type { ChosenModel } from '../embed/chosen-model.ts'
import type { ProcessRequest } from '../schemas.ts'
import { planChannel } from './plan-channel.ts'
import { type ChannelSync, parseEvery } from './schemas.ts'
import { submitItems } from './submit-items.ts'
import { presentSync, putSync } from './syncs.ts'

/**
 * Lists the channel of a request and submits its new items.
 * @returns how many
 * @throws MillraceError as `planChannel` and `submit` do
 */
export async function submitChannel(
  deps: AppDeps,
  submission: Omit<Submission, 'request'>,
  { request, model }: { readonly request: ProcessRequest; readonly model: ChosenModel },
): Promise<number> {
  const { platform, channel_url: url = '', collection, settings, language, selected_content: selected } = request
  const hears = (deps.speech?.transcriber ?? null) !== null
  const asked = { platform, url, collection, selected, model, settings, language, hears }
  const { documents, report } = await planChannel(deps, submission.owner, asked)
  const planned = { collection, model, settings, language, documents, channel: report }
  return (await submitItems(deps, { ...submission, request: planned }, documents.length)).totalJobs
}

/** Makes or changes the sync that a request asks for, also one that is sent again; null where it asks for none. */
export async function keepSync(
  deps: AppDeps,
  owner: string,
  { request, model }: { readonly request: ProcessRequest; readonly model: ChosenModel },
): Promise<ChannelSync | null> {
  const { sync, channel_url: channel, platform, collection, settings, language } = request
  const everyMs = sync === undefined ? null : parseEvery(sync.every)
  if (sync === undefined || channel === undefined || everyMs === null) return null
  const asked = {
    owner,
    collection,
    platform,
    channel,
    everyMs,
    onGone: sync.on_gone,
    input: { model, settings, language },
  }
  return presentSync(await putSync(deps, asked))
}
