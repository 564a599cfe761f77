/** Makes the driver of a chosen model. */
import { MillraceError } from '../../../../errors.ts'
import type { VectorServices } from '../../../../ports.ts'
import type { ChosenModel } from '../chosen-model.ts'
import { type HostedDriver, type HttpService, httpDriver } from './driver.ts'
import { geminiService } from './gemini.ts'
import { jinaService } from './jina.ts'
import { openAiService } from './openai.ts'
import { workersAiDriver } from './workers-ai.ts'

/**
 * @throws MillraceError SERVICE_UNAVAILABLE, not transient, where the operator no longer has the service configured
 */
export function openDriver(chosen: ChosenModel, services: VectorServices | null): HostedDriver {
  const { settings, fetcher, ai } = services ?? { settings: null, fetcher: null, ai: null }
  if (chosen.id === 'workers-ai' && ai !== null) return workersAiDriver(ai, chosen)
  const http = settings === null ? null : httpService(chosen, settings)
  if (http === null || fetcher === null) {
    throw new MillraceError(
      'SERVICE_UNAVAILABLE',
      `This server is not configured for the model "${chosen.name}" any more.`,
      {
        transient: false,
      },
    )
  }
  return httpDriver(http, fetcher)
}

function httpService(chosen: ChosenModel, { openai, jina, gemini }: VectorServices['settings']): HttpService | null {
  switch (chosen.id) {
    case 'openai':
      return openai === null || chosen.name !== `openai:${openai.model}` ? null : openAiService(openai, chosen)
    case 'jina-v4':
      return jina === null ? null : jinaService(jina, chosen)
    case 'gemini-exp':
      return gemini === null ? null : geminiService(gemini, chosen)
    default:
      return null
  }
}
