/** Serves OpenAI's chat API in place of a paid service: the documented request in, a completion or an error out. */
import { text } from 'node:stream/consumers'
import * as z from 'zod'
import { startJsonService } from './json-service.ts'

const Request = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  response_format: z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ name: z.string(), strict: z.literal(true), schema: z.record(z.string(), z.unknown()) }),
  }),
})
/** A request as the service got it. */
export type ChatRequest = z.infer<typeof Request> & {
  readonly authorization: string | undefined
  readonly question: string
}

/** An answer: the text of a completion, or a status with an error. */
export type ChatAnswer =
  | { readonly text: string; readonly finishReason?: string }
  | { readonly status: number; readonly message: string; readonly headers?: Readonly<Record<string, string>> }
  | 'never'

/** Starts the service on a free port. `answer` is asked for each request, with how many came before. */
export async function startChatService(answer: (request: ChatRequest, earlier: number) => ChatAnswer) {
  const requests: ChatRequest[] = []
  const service = await startJsonService(async (request) => {
    const parsed = Request.parse(JSON.parse(await text(request)))
    const question = parsed.messages.find(({ role }) => role === 'user')?.content ?? ''
    const read = { ...parsed, authorization: request.headers.authorization, question }
    const said = request.url === '/v1/chat/completions' ? answer(read, requests.length) : NOT_HERE
    requests.push(read)
    if (said === 'never') return null
    return 'text' in said ? completion(read, said) : failure(said)
  })
  return { ...service, requests }
}

const NOT_HERE: ChatAnswer = { status: 404, message: 'Unknown request URL' }

function completion(
  { model }: ChatRequest,
  { text: content, finishReason = 'stop' }: Extract<ChatAnswer, { text: string }>,
) {
  const message = { role: 'assistant', content, refusal: null }
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finishReason }]
  return {
    status: 200,
    headers: {},
    body: { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model, choices, usage },
  }
}

function failure({ status, message, headers = {} }: Extract<ChatAnswer, { status: number }>) {
  return { status, headers, body: { error: { message, type: 'error', param: null, code: null } } }
}
