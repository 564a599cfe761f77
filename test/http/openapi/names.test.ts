/** Names of components: generated clients call a type by the name that its schema has in the source. */
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { describeSurfaces } from '../../../src/http/openapi/document.ts'
import { loadOpenApiDocument, surfaces } from '../../../src/surfaces.ts'

const SRC = join(import.meta.dirname, '..', '..', '..', 'src')

/** Exported schemas by the name that they are exported under. */
async function exportedSchemas(): Promise<Map<z.ZodType, string>> {
  const found = new Map<z.ZodType, string>()
  const files = ['features/*/*schemas.ts', 'http/**/*.ts']
  for await (const file of glob(files, { cwd: SRC })) {
    const module: Record<string, unknown> = await import(join(SRC, file))
    for (const [name, value] of Object.entries(module)) if (value instanceof z.ZodType) found.set(value, name)
  }
  return found
}

/** Schemas of JSON bodies and answers, as the routes are described. */
async function describedSchemas(): Promise<z.ZodType[]> {
  const described = await describeSurfaces(surfaces)
  return described.flatMap(({ error, endpoints }) => [
    error,
    ...endpoints.flatMap(({ body = {}, answers }) => [
      ...Object.values(body).map(({ schema }) => schema),
      ...Object.values(answers).flatMap(({ content = {} }) =>
        Object.values(content).flatMap(({ schema, eventData }) => [schema, ...(eventData ? [eventData] : [])]),
      ),
    ]),
  ])
}

it('carry the name of the schema in the source', async () => {
  const names = await exportedSchemas()
  const described = await describedSchemas()
  const wrong = [...new Set(described)].flatMap((schema) => {
    const name = names.get(schema)
    const id = schema.meta()?.id
    return name !== undefined && id !== name ? [`${name} is called ${id}`] : []
  })
  expect(described.filter((schema) => names.has(schema)).length).toBeGreaterThan(30)
  expect(wrong).toEqual([])
})

it('are those of the document', async () => {
  const Components = z.object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
  const { components } = Components.parse(await loadOpenApiDocument({}))
  const ids = (await describedSchemas()).flatMap((schema) => schema.meta()?.id ?? [])
  expect([...new Set(ids)].filter((id) => !(id in components.schemas))).toEqual([])
})
