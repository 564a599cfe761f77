/** What `/openapi.json` states, and whether answers keep to it. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { z } from 'zod'

const Media = z.looseObject({
  schema: z.unknown(),
  example: z.unknown().optional(),
  examples: z.record(z.string(), z.object({ value: z.unknown() })).optional(),
})
const Response = z.object({
  $ref: z.string().optional(),
  description: z.string().optional(),
  headers: z.record(z.string(), z.unknown()).optional(),
  content: z.record(z.string(), Media).optional(),
})
const Parameter = z.looseObject({ $ref: z.string().optional(), name: z.string().optional(), in: z.string().optional() })
const Described = z.object({
  tags: z.tuple([z.string()]),
  operationId: z.string(),
  summary: z.string().min(1),
  description: z.string().optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(Parameter),
  requestBody: z.object({ required: z.boolean(), content: z.record(z.string(), Media) }).optional(),
  responses: z.record(z.string(), Response),
})
const Document = z.looseObject({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), Described)),
  components: z.looseObject({ responses: z.record(z.string(), Response), parameters: z.record(z.string(), Parameter) }),
})

/** A route as the document has it. */
export interface Operation extends z.infer<typeof Described> {
  readonly method: string
  /** With `{id}` in place of parameters. */
  readonly path: string
  readonly isPublic: boolean
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

const pointer = (...steps: readonly string[]) =>
  steps.map((step) => `/${encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('')

/** The document, and what of it was seen to be true. */
export class Contract {
  readonly document: z.infer<typeof Document>
  readonly operations: readonly Operation[]
  /** Answers that were checked, by operation (`createBatch 202`) or surface (`Batch 404`) and status; the first of each. */
  readonly seen = new Map<string, Answer>()
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true })

  constructor(document: unknown) {
    this.document = Document.parse(document)
    addFormats.default(this.#ajv)
    this.#ajv.addSchema({ ...this.document, $id: 'doc' })
    this.operations = Object.entries(this.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) => ({
        ...described,
        method: method.toUpperCase(),
        path,
        isPublic: described.security.length === 0,
      })),
    )
  }

  static async of(fetch: (path: string) => Promise<globalThis.Response>): Promise<Contract> {
    return new Contract(await (await fetch('/openapi.json')).json())
  }

  operation(id: string): Operation {
    const found = this.operations.find(({ operationId }) => operationId === id)
    if (found === undefined) throw new Error(`The document has no operation ${id}.`)
    return found
  }

  /** What is wrong with a value, by the schema at a place of the document; empty when nothing is. */
  faults(at: readonly string[], value: unknown): string[] {
    const validate = this.#ajv.compile({ $ref: `doc#${pointer(...at)}` })
    return validate(value)
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }

  /** The schema at a place of the document, references followed. */
  schemaAt(at: readonly string[]): Readonly<Record<string, unknown>> {
    let here: unknown = this.document
    for (const step of at) here = z.record(z.string(), z.unknown()).parse(here)[step]
    const schema = z.record(z.string(), z.unknown()).parse(here)
    const { $ref } = schema
    return typeof $ref === 'string' ? this.schemaAt($ref.replace('#/', '').split('/')) : schema
  }

  /** The status, and the error shape of the surface, that the document has for every path of a surface. */
  checkError(tag: string, answer: Answer): void {
    this.#check(['components', 'responses', `${tag}${answer.status}`], answer, `${tag} ${answer.status}`)
  }

  /** Throws unless the answer is one that the document states for the operation. */
  check(operation: Operation, answer: Answer): void {
    const { path, method, operationId, tags } = operation
    const response = operation.responses[answer.status]
    if (response === undefined) {
      throw new Error(
        `${operationId} answered ${answer.status}, which is not in the document: ${answer.text.slice(0, 300)}`,
      )
    }
    const at = ['paths', path, method.toLowerCase(), 'responses', String(answer.status)]
    if (response.$ref === undefined) this.#check(at, answer, `${operationId} ${answer.status}`)
    else this.checkError(tags[0], answer)
  }

  #check(at: readonly string[], answer: Answer, name: string): void {
    let response: unknown = this.document
    for (const step of at) response = z.record(z.string(), z.unknown()).parse(response)[step]
    const stated = Response.parse(response)
    const type = answer.headers.get('Content-Type')?.split(';')[0] ?? ''
    const content = stated.content ?? {}
    if (answer.status !== 304 && stated.content === undefined && answer.text !== '')
      throw new Error(`${name} has a body.`)
    if (stated.content !== undefined && !(type in content)) throw new Error(`${name} came as "${type}": ${answer.text}`)
    for (const header of Object.keys(stated.headers ?? {})) {
      if (!answer.headers.has(header)) throw new Error(`${name} lacks the header ${header}.`)
    }
    if (type === 'application/json' && stated.content !== undefined && answer.status !== 206) {
      const faults = this.faults([...at, 'content', type, 'schema'], JSON.parse(answer.text))
      if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')} in ${answer.text.slice(0, 2_000)}`)
    }
    if (type === 'text/event-stream') this.#checkEvents([...at, 'content', type, 'x-event-data'], answer.text, name)
    if (!this.seen.has(name)) this.seen.set(name, answer)
  }

  #checkEvents(at: readonly string[], text: string, name: string): void {
    const frames = text.split('\n\n').filter((frame) => /^data:/m.test(frame))
    if (frames.length === 0) throw new Error(`${name} has no events: ${text}`)
    for (const frame of frames) {
      const data = frame
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice('data:'.length))
      const faults = this.faults(at, JSON.parse(data.join('\n')))
      if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')} in ${frame}`)
    }
  }
}

/** Reads an answer to its end; of one that does not end, what comes within its first events. */
export async function read(response: globalThis.Response, { endless = false } = {}): Promise<Answer> {
  const { status, headers } = response
  if (!endless) return { status, headers, text: await response.text() }
  let text = ''
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece
    if (/^data:.*\n\n/m.test(text)) break
  }
  return { status, headers, text }
}
