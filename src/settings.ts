/** Settings that the app takes from the configuration, on every runtime. */
import type { Config } from './config.ts'
import { ChunkStore } from './features/chunks/chunk-store.ts'
import { ChunkUpstream } from './features/chunks/chunk-upstream.ts'
import { CHUNK_PREFIXES } from './features/chunks/chunks.ts'
import type { AppDeps } from './http/context.ts'
import type { Clock, Database } from './ports.ts'

/** @param made `signingKey`: the configured one, or the one kept in the database */
export function appSettings(
  config: Config,
  made: { db: Database; clock: Clock; signingKey: string },
): Pick<AppDeps, 'auth' | 'chunks' | 'publicUrl' | 'isLocal' | 'trustProxy'> {
  const { publicUrl, trustProxy, chunksUpstreamUrl, chunkPrefixes } = config
  const { apiKey, jwtSecret, jwksUrl, jwtIssuer, jwtAudience, jwtLeewaySeconds, corsOrigins } = config
  return {
    ...(publicUrl === null ? {} : { publicUrl }),
    isLocal: config.isLocal,
    trustProxy,
    chunks: {
      source: chunksUpstreamUrl === null ? new ChunkStore(made) : new ChunkUpstream({ url: chunksUpstreamUrl }),
      prefixes: new Map([...CHUNK_PREFIXES, ...chunkPrefixes]),
    },
    auth: {
      mode: config.auth,
      signingKey: made.signingKey,
      ...{ apiKey, jwtSecret, jwksUrl, jwtIssuer, jwtAudience, jwtLeewaySeconds, corsOrigins },
    },
  }
}
