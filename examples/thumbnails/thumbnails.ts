/** Makes a thumbnail of every picture in a folder: node thumbnails.ts photos thumbnails */
import { mkdir, readdir } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { createMillrace, defineOperation, NonRetryableError } from 'millrace'
import sharp from 'sharp'
import * as z from 'zod'

const [from = 'photos', to = 'thumbnails'] = process.argv.slice(2)

const thumbnail = defineOperation({
  name: 'thumbnail',
  item: z.object({ file: z.string(), width: z.int().min(1).default(320) }),
  result: z.object({ file: z.string(), width: z.int(), bytes: z.int() }),
  async run({ file, width }, ctx) {
    const made = `${parse(file).name}.webp`
    try {
      const picture = sharp(join(from, file)).rotate().resize({ width, withoutEnlargement: true }).webp()
      const info = await picture.toFile(join(to, made))
      ctx.emit(info.size, 'bytes')
      return { file: made, width: info.width, bytes: info.size }
    } catch (error) {
      // What is no picture now will be none at the next attempt.
      throw new NonRetryableError(error instanceof Error ? error.message : String(error))
    }
  },
})

await mkdir(to, { recursive: true })
const files = (await readdir(from)).filter((name) => /\.(jpe?g|png|webp|avif|tiff?)$/i.test(name)).sort()
const millrace = await createMillrace({ operations: [thumbnail], dataDir: '.millrace', concurrency: 4 })
const batch = await millrace.submit(
  thumbnail,
  files.map((file) => ({ file })),
)
for await (const event of millrace.follow(batch)) {
  if (event.type === 'job_completed') console.log(`${event.result?.file}: ${event.result?.bytes} bytes`)
  if (event.type === 'job_failed') console.log(`${files[event.sequence - 1]}: ${event.errorMessage}`)
  if (event.type === 'batch_completed')
    console.log(`${event.completedJobs} of ${files.length}, ${event.tallies?.bytes ?? 0} bytes`)
}
await millrace.close()
