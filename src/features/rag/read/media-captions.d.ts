/** Declares the part of media-captions that is used here: its own declarations import files without extensions, which `nodenext` does not resolve. */
declare module 'media-captions' {
  export function parseText(
    text: string,
    options: { type: 'vtt' | 'srt'; strict: boolean },
  ): Promise<{
    cues: readonly { readonly startTime: number; readonly endTime: number; readonly text: string }[]
    errors: readonly Error[]
  }>
}
