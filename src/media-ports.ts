/** The interface of what lists channels, as a type, beside those of `ports.ts`. */

/** Lists and describes recordings of video platforms, and of pages with players. It fetches none of them. */
export interface MediaLister {
  /**
   * Describes what is behind a URL.
   * @param range entries that are returned where it is a list, counted from 1; both ends are part of it
   * @returns the info JSON of yt-dlp, with the entries of a list as they are listed, not described
   * @throws MillraceError URL_NOT_ALLOWED, NOT_FOUND, UNSUPPORTED_MEDIA_TYPE where there is no recording, RATE_LIMIT, SERVICE_UNAVAILABLE,
   * TIMEOUT, TOO_LARGE; what `signal` was aborted with
   */
  describe(
    url: string,
    options: { range?: { first: number; last: number }; signal?: AbortSignal; owner: string },
  ): Promise<unknown>
}
