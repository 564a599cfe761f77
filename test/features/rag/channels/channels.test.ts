/** Readers of feeds, of what yt-dlp says, and of captions of streams. */
import { describe, expect, it } from 'vitest'
import { joinSegments, listSegments } from '../../../../src/features/rag/channels/hls-captions.ts'
import { readDescription, readListing } from '../../../../src/features/rag/channels/info-json.ts'
import { checkHost, idInUrl, listingUrl } from '../../../../src/features/rag/channels/platforms.ts'
import { looksLikeFeed, readFeed } from '../../../../src/features/rag/channels/read-feed.ts'
import { formatEvery, parseEvery } from '../../../../src/features/rag/channels/schemas.ts'

const ALL = { first: 1, last: 100 }
const URL_OF_FEED = 'https://example.com/feeds/a.xml'

describe('a feed', () => {
  it('as JSON has its attachments as recordings', () => {
    const feed = {
      version: 'https://jsonfeed.org/version/1.1',
      title: 'Talks',
      items: [
        {
          id: '1',
          url: 'https://example.com/1',
          title: 'One',
          date_published: '2026-11-02T10:00:00Z',
          attachments: [{ url: 'https://example.com/1.mp3', mime_type: 'audio/mpeg', duration_in_seconds: 61 }],
        },
      ],
    }
    const text = JSON.stringify(feed)
    expect(looksLikeFeed(text)).toBe(true)
    expect(readFeed(text, URL_OF_FEED, ALL)).toMatchObject({
      title: 'Talks',
      items: [
        { id: '1', media: 'https://example.com/1.mp3', durationSeconds: 61, publishedAt: Date.UTC(2026, 10, 2, 10) },
      ],
      more: false,
    })
  })

  it('with a document in the place of a recording has that document read', () => {
    const text = `<rss version="2.0"><channel><item><link>https://example.com/page</link>
      <enclosure url="report.pdf" type="application/pdf"/></item></channel></rss>`
    const [item] = readFeed(text, URL_OF_FEED, ALL).items
    expect(item).toMatchObject({
      id: 'https://example.com/page',
      url: 'https://example.com/feeds/report.pdf',
      media: null,
    })
  })

  it('leaves out what links to nothing, or to no web address', () => {
    const text = `<rss version="2.0"><channel><item><title>x</title></item><item><link>javascript:alert(1)</link></item></channel></rss>`
    expect(readFeed(text, URL_OF_FEED, ALL).items).toEqual([])
  })

  it('is not what a page of HTML is', () => {
    expect(looksLikeFeed('<!doctype html><html><a href="x">rss</a>')).toBe(false)
    expect(looksLikeFeed('{"version": "1"}')).toBe(false)
  })
})

const track = (url: string, ext: string) => ({ url: `https://example.com/${url}`, ext })

describe('captions', () => {
  const chosen = (info: object) => readDescription({ id: 'x', ...info }, 'x').captions

  it('that people made come first, in the language that is spoken, as json3', () => {
    const subtitles = {
      live_chat: [track('chat.json', 'json')],
      de: [track('de.vtt', 'vtt')],
      en: [track('en.srt', 'srt'), track('en.vtt', 'vtt'), track('en.json3', 'json3')],
    }
    const automatic_captions = { de: [track('auto', 'json3')] }
    expect(chosen({ subtitles, automatic_captions, language: 'de' })).toMatchObject({
      url: 'https://example.com/de.vtt',
    })
    expect(chosen({ subtitles, automatic_captions })).toEqual({
      url: 'https://example.com/en.json3',
      language: 'en',
      isPlaylist: false,
    })
  })

  it('that a machine made are taken in the language that is spoken, and never translated', () => {
    const translated = { en: [track('a?lang=de&tlang=en', 'json3')] }
    expect(chosen({ automatic_captions: translated })).toBeNull()
    const spoken = { ...translated, 'de-orig': [track('a?lang=de', 'json3')], de: [track('a?lang=de', 'vtt')] }
    expect(chosen({ automatic_captions: spoken })).toMatchObject({
      url: 'https://example.com/a?lang=de',
      language: 'de',
    })
  })
})

describe('a recording', () => {
  const format = (url: string, more: object) => ({ url, protocol: 'https', ...more })

  it('is the smallest file with sound, without a picture where there is one', () => {
    const formats = [
      format('film', { vcodec: 'h264', acodec: 'aac', filesize: 10 }),
      format('silent', { vcodec: 'h264', acodec: 'none', filesize: 1 }),
      format('large', { vcodec: 'none', acodec: 'opus', filesize: 5_000 }),
      format('small', { vcodec: 'none', acodec: 'opus', filesize: 4_000 }),
      format('protected', { vcodec: 'none', acodec: 'opus', filesize: 1, has_drm: true }),
      format('stream', { vcodec: 'none', acodec: 'opus', filesize: 1, protocol: 'm3u8_native' }),
      null,
    ]
    expect(readDescription({ id: 'x', formats }, 'x').media).toBe('small')
  })

  it('that is a list is refused with what to send instead', () => {
    const list = { _type: 'playlist', entries: [{ _type: 'url', id: 'a', url: 'https://example.com/a' }] }
    expect(() => readDescription(list, null)).toThrow(/input_method "channel"/)
  })
})

it('a list within a list is read as one, and says that there is more', () => {
  const entry = (id: string) => ({ _type: 'url', id, url: `https://example.com/${id}`, title: id, duration: 61 })
  const found = {
    title: 'Channel',
    entries: [{ _type: 'playlist', entries: [entry('a'), entry('b')] }, entry('c'), 'junk'],
  }
  const { items, more } = readListing(found, 'https://example.com', 2)
  expect([items.map(({ id }) => id), more]).toEqual([['a', 'b'], true])
})

describe('a stream', () => {
  it('has segments relative to its playlist', () => {
    const playlist = '#EXTM3U\n#EXTINF:10,\na.vtt\n\n#EXTINF:10,\n/b.vtt?x=1\n'
    const segments = ['https://example.com/s/a.vtt', 'https://example.com/b.vtt?x=1']
    expect(listSegments(playlist, 'https://example.com/s/p.m3u8')).toEqual(segments)
  })

  it.each(['WEBVTT', '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"', '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k"'])(
    '%j is refused',
    (playlist) => {
      expect(() => listSegments(playlist, 'https://example.com/p.m3u8')).toThrow(/can't be read/)
    },
  )

  it('has a cue that spans segments once, and times moved where their map moves', () => {
    const segment = (map: string, cue: string) => `WEBVTT\r\nX-TIMESTAMP-MAP=${map}\r\n\r\n${cue}\r\n`
    const spanning = '00:00:09.000 --> 00:00:11.000\nacross'
    expect(
      joinSegments([
        segment('MPEGTS:0,LOCAL:00:00:00.000', spanning),
        segment('MPEGTS:0,LOCAL:00:00:00.000', spanning),
      ]),
    ).toBe(`WEBVTT\n\n${spanning}`)
    const moved = segment('LOCAL:00:00:00.000,MPEGTS:900000', '00:01.000 --> 00:02.000 line:0\nlater')
    expect(joinSegments([segment('MPEGTS:0,LOCAL:00:00:00.000', ''), moved])).toBe(
      'WEBVTT\n\n00:00:11.000 --> 00:00:12.000 line:0\nlater',
    )
  })
})

describe('a platform', () => {
  it.each([
    ['youtube', 'https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=1s', 'dQw4w9WgXcQ'],
    ['youtube', 'https://youtu.be/dQw4w9WgXcQ', 'dQw4w9WgXcQ'],
    ['youtube', 'https://www.youtube.com/shorts/dQw4w9WgXcQ', 'dQw4w9WgXcQ'],
    ['tiktok', 'https://www.tiktok.com/@user/video/7516961325537332502', '7516961325537332502'],
    ['twitch', 'https://www.twitch.tv/videos/123456', '123456'],
    ['twitch', 'https://clips.twitch.tv/Name', null],
  ] as const)('%s knows %s as %s', (platform, url, id) => {
    expect(idInUrl(platform, url)).toBe(id)
    expect(() => checkHost(platform, url, 'channel_url')).not.toThrow()
  })

  it('lists the videos of a channel that is named by its page, and any part of it as it is', () => {
    expect(listingUrl('youtube', 'https://www.youtube.com/@someone')).toBe('https://www.youtube.com/@someone/videos')
    expect(listingUrl('youtube', 'https://www.youtube.com/@someone/streams')).toBe(
      'https://www.youtube.com/@someone/streams',
    )
    expect(listingUrl('twitch', 'https://www.twitch.tv/someone/')).toBe('https://www.twitch.tv/someone/videos')
  })

  it.each(['https://youtube.com.example.org/watch', 'https://example.org/?youtube.com', 'http://127.0.0.1/'])(
    'is not %s',
    (url) => {
      expect(() => checkHost('youtube', url, 'channel_url')).toThrow(/no address of YouTube/)
    },
  )
})

it.each([
  ['15m', 900_000, '15m'],
  ['24h', 86_400_000, '24h'],
  ['90m', 5_400_000, '90m'],
  ['7d', 604_800_000, '7d'],
  ['14m', null, ''],
  ['366d', null, ''],
  ['1.5h', null, ''],
] as const)('every %s is %s ms', (every, ms, shown) => {
  expect(parseEvery(every)).toBe(ms)
  if (ms !== null) expect(formatEvery(ms)).toBe(shown)
})
