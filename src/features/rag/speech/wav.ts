/** Writes samples as a WAV file (RIFF, PCM of 16 bits, one channel), the form that every speech service takes. */
import { SAMPLE_RATE } from './recognizer.ts'

const HEADER_BYTES = 44
const BYTES_A_SAMPLE = 2

/** Makes a WAV file of samples. */
export function makeWav(samples: Int16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(HEADER_BYTES + samples.byteLength)
  const view = new DataView(file.buffer)
  const write = (at: number, letters: string) => file.set(new TextEncoder().encode(letters), at)
  write(0, 'RIFF')
  view.setUint32(4, file.length - 8, true)
  write(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, SAMPLE_RATE, true)
  view.setUint32(28, SAMPLE_RATE * BYTES_A_SAMPLE, true)
  view.setUint16(32, BYTES_A_SAMPLE, true)
  view.setUint16(34, 8 * BYTES_A_SAMPLE, true)
  write(36, 'data')
  view.setUint32(40, samples.byteLength, true)
  file.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), HEADER_BYTES)
  return file
}
