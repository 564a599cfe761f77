/** Whisper on Workers AI, with a binding that answers in its documented format. */
import { expect, it } from 'vitest'
import { createWorkersAiTranscriber } from '../../src/drivers/transcribe-workers-ai.ts'

const segment = (start: number, text: string, more: object = {}) => ({ start, end: start + 2, text, ...more })
const recording = (bytes: Uint8Array<ArrayBuffer>) => ({ bytes, filename: 'talk.mp3', contentType: 'audio/mpeg' })
const { signal } = new AbortController()

it('is sent a recording as base64, and its segments are taken without those of silence', async () => {
  const inputs: unknown[] = []
  const transcriber = createWorkersAiTranscriber({
    run: async (model, input) => {
      inputs.push([model, input])
      return {
        transcription_info: { language: 'de', language_probability: 0.99, duration: 9 },
        text: 'Guten Tag.',
        word_count: 2,
        segments: [
          segment(0, ' Guten Tag.', { avg_logprob: -0.2, no_speech_prob: 0.01 }),
          segment(4, ' Untertitel.', { avg_logprob: -1.5, no_speech_prob: 0.9 }),
        ],
      }
    },
  })
  const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7) % 256)
  expect(await transcriber.transcribe(recording(bytes), { signal, language: 'de-AT' })).toEqual({
    language: 'de',
    segments: [{ start: 0, end: 2, text: 'Guten Tag.' }],
  })
  const audio = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
  expect(inputs).toEqual([['@cf/openai/whisper-large-v3-turbo', { audio, language: 'de' }]])
})

it.each([
  ['3040: Capacity temporarily exceeded', 'RATE_LIMIT', true],
  ['3006: Request is too large', 'TOO_LARGE', false],
  ['5006: Invalid input', 'UNREADABLE_DOCUMENT', false],
  ['5018: This account is not allowed', 'SERVICE_UNAVAILABLE', false],
  ['Network connection lost', 'SERVICE_UNAVAILABLE', true],
])('names an error (%s) as %s', async (message, code, transient) => {
  const transcriber = createWorkersAiTranscriber({ run: () => Promise.reject(new Error(message)) })
  const failed = transcriber.transcribe(recording(new Uint8Array(3)), { signal })
  await expect(failed).rejects.toMatchObject({ code, transient, message: expect.stringContaining(message) })
})
