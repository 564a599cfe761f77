/** The typed client of Millrace, for browsers, Node and Workers. */
export type { BatchEvent, BatchStatus, JobResult } from '../features/batches/follow-schemas.ts'
export type { BatchAccepted, DryRunReport, ItemResult } from '../features/batches/schemas.ts'
export type { ExtractAccepted, Extraction, MergedResults, SwimEvent } from '../features/heat-sheets/schemas.ts'
export type { BatchStream, FollowOptions } from './batch-stream.ts'
export {
  type CardEvent,
  type CardExport,
  type CardExportOptions,
  type CardFileOptions,
  type CardImportOptions,
  type CardsClient,
  type CardTask,
  type CardTaskResult,
  type CardTaskStatus,
  cardsClient,
  type NewCardInput,
  type TaskOptions,
  type TaskRef,
} from './cards.ts'
export { type ChunksClient, chunksClient } from './chunks.ts'
export { type Client, createClient } from './client.ts'
export {
  type DocumentEvent,
  type DocumentSource,
  type DocumentsClient,
  documentsClient,
  type ExportRef,
  type ProcessDocuments,
  type ProcessRef,
  type SearchHit,
  type SearchOptions,
  type StoredDocument,
} from './documents.ts'
export { ApiError, type ErrorBodies, type Issue, isErrorOf } from './errors.ts'
export type { ClientOptions } from './http.ts'
export type { EventWith, FollowEvent, Resync } from './items.ts'
export type { OpenBatch } from './open-batch.ts'
export type * from './operations.ts'
export type { Page } from './page.ts'
export {
  type ResourceCollection,
  type ResourceOf,
  type ResourceOutcome,
  type ResourceOutcomes,
  type ResourcesClient,
  type ResourceWriteEvent,
  type ResourceWriteOptions,
  resourcesClient,
  type WritableCollection,
} from './resources.ts'
export {
  type ContinueLater,
  type RunningWorker,
  runWorker,
  type WorkerHandler,
  type WorkerJob,
  type WorkerSettings,
} from './run-worker.ts'
export { type ScheduleRef, type SchedulesClient, schedulesClient } from './schedules.ts'
export { type SecretsClient, secretsClient } from './secrets.ts'
export { type SharedResultsClient, sharedResultsClient } from './shared-results.ts'
export type { Timing } from './timing.ts'
export type * from './types.ts'
export { type WebhooksClient, webhooksClient } from './webhooks.ts'
export { type OperationsClient, operationsClient, type WorkersClient, workersClient } from './workers.ts'
