/** Settings that the app takes from the configuration, on every runtime. */
import type { Config } from './config.ts'
import { ChunkStore } from './features/chunks/chunk-store.ts'
import { ChunkUpstream } from './features/chunks/chunk-upstream.ts'
import { CHUNK_PREFIXES } from './features/chunks/chunks.ts'
import { DocumentChunks, REFERENCE_PREFIX, REFERENCE_TYPE } from './features/rag/chunk-source.ts'
import { DeclaredStore } from './features/workers/declared-store.ts'
import type { AppDeps } from './http/context.ts'
import type { Clock, Compute, Database } from './ports.ts'
import { answerRoom } from './rows/fitting-rows.ts'

/** @param made `signingKey`: the configured one, or the one stored in the database */
export function appSettings(
  config: Config,
  { compute, ...made }: { db: Database; clock: Clock; compute: Compute; signingKey: string },
): Pick<
  AppDeps,
  'auth' | 'chunks' | 'declared' | 'publicUrl' | 'isLocal' | 'allowCleanup' | 'maxUploadBytes' | 'trustProxy'
> {
  const { publicUrl, trustProxy, chunksUpstreamUrl, chunkPrefixes } = config
  const { apiKey, jwtSecret, jwksUrl, jwtIssuer, jwtAudience, jwtLeewaySeconds, corsOrigins } = config
  const room = answerRoom(compute)
  return {
    ...(publicUrl === null ? {} : { publicUrl }),
    isLocal: config.isLocal,
    allowCleanup: config.allowCleanup,
    maxUploadBytes: config.maxUploadBytes,
    trustProxy,
    declared: new DeclaredStore(made),
    chunks: {
      source:
        chunksUpstreamUrl === null
          ? new ChunkStore({ ...made, room })
          : new ChunkUpstream({ url: chunksUpstreamUrl, room }),
      prefixes: new Map([...CHUNK_PREFIXES, [REFERENCE_PREFIX, REFERENCE_TYPE], ...chunkPrefixes]),
      derived: new Map([[REFERENCE_PREFIX, new DocumentChunks({ ...made, room })]]),
    },
    auth: {
      mode: config.auth,
      signingKey: made.signingKey,
      ...{ apiKey, jwtSecret, jwksUrl, jwtIssuer, jwtAudience, jwtLeewaySeconds, corsOrigins },
    },
  }
}
