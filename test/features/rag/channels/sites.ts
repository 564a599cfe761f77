/** Sites with channels, for tests: feeds, pages with players, and streams, which may change while they are served. */
import { createServer } from 'node:http'

/** What is answered at a path. */
export interface SitePage {
  readonly type: string
  readonly body: string
}

/** A site that is served. */
export interface Site extends AsyncDisposable {
  readonly origin: string
  /** Pages by path; may be changed at any time. */
  readonly pages: Map<string, SitePage>
  /** Paths that were asked for, in order. */
  readonly asked: string[]
}

/**
 * Serves a site on a free port of this machine.
 * @param options.isHeld false where the process may end while it is served. Default: true
 */
export async function serveSite(
  pages: Readonly<Record<string, SitePage>> = {},
  { isHeld = true }: { readonly isHeld?: boolean } = {},
): Promise<Site> {
  const held = new Map(Object.entries(pages))
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    asked.push(path)
    const page = held.get(path)
    if (page === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'Content-Type': page.type }).end(page.body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  if (!isHeld) server.unref()
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The site has no port.')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    pages: held,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** An episode of a podcast with a transcript. */
export const captions = (sentence: string): SitePage => ({
  type: 'text/vtt',
  body: `WEBVTT\n\n00:00:07.000 --> 00:00:11.000\n<v Ada>${sentence}\n`,
})

/** A feed of episodes, whose transcripts are at `/NAME.vtt`. */
export function feed(origin: string, names: readonly string[], more: (name: string) => string = () => ''): SitePage {
  const items = names.map(
    (
      name,
    ) => `<item><title>Episode ${name}</title><guid isPermaLink="false">${name}</guid><link>${origin}/episodes/${name}</link>
      <pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate><itunes:duration>1:01</itunes:duration>
      <enclosure url="${origin}/${name}.mp3" length="1000" type="audio/mpeg"/>
      <podcast:transcript url="/${name}.vtt" type="text/vtt" language="en"/>${more(name)}</item>`,
  )
  return {
    type: 'application/rss+xml',
    body: `<?xml version="1.0"?><rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
      xmlns:podcast="https://podcastindex.org/namespace/1.0"><channel><title>Talks</title>${items.join('')}</channel></rss>`,
  }
}
