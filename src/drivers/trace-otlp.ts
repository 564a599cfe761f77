/**
 * Traces by OpenTelemetry, to a collector over OTLP/HTTP: a span for each request and each attempt at a job. Where to and how is told by the
 * variables that OpenTelemetry names for it (`OTEL_EXPORTER_OTLP_…`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` …), which its own packages
 * read. To be imported only where a collector is configured: it is large.
 */
import { httpInstrumentationMiddleware } from '@hono/otel'
import { DiagLogLevel, diag, propagation, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import type { MiddlewareHandler } from 'hono'
import { Redactor } from '../formats/redact.ts'
import type { EndedAttempt, Log } from '../ports.ts'

/** What a server does so that it is traced. */
export interface Tracing {
  /** Makes a span of a request; goes around everything else. */
  readonly requests: MiddlewareHandler
  onAttempt(attempt: EndedAttempt): void
  /** Sends what has not been sent, for at most `ms`. */
  close(ms: number): Promise<void>
}

/** Starts tracing. A collector that can't be reached costs nothing but lines in the log. */
export function createOtlpTracing(log: Log): Tracing {
  const complain = (message: string) => log.warn({ reason: message }, 'traces could not be sent')
  const ignore = () => {}
  diag.setLogger(
    { error: complain, warn: ignore, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  )
  // A request that says which trace it belongs to becomes part of it.
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'millrace' }).merge(
      detectResources({ detectors: [envDetector] }),
    ),
    spanProcessors: [new BatchSpanProcessor(tidied(new OTLPTraceExporter()))],
  })
  const tracer = provider.getTracer('millrace')
  return {
    requests: httpInstrumentationMiddleware({ tracerProvider: provider, captureResponseHeaders: ['x-request-id'] }),
    onAttempt({ operation, batchId, jobId, attempt, outcome, code, beganAt, endedAt }) {
      const span = tracer.startSpan(`attempt ${operation}`, {
        kind: SpanKind.CONSUMER,
        startTime: beganAt,
        attributes: {
          'millrace.operation': operation,
          'millrace.batch.id': batchId,
          'millrace.job.id': jobId,
          'millrace.attempt': attempt,
          'millrace.outcome': outcome,
          ...(code === null ? {} : { 'error.type': code }),
        },
      })
      if (outcome === 'failed') span.setStatus({ code: SpanStatusCode.ERROR })
      span.end(endedAt)
    },
    async close(ms) {
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, ms)
      await Promise.race([provider.shutdown().catch(() => complain('the last ones are lost')), late.promise])
      clearTimeout(timer)
    },
  }
}

/** Spans as they go out: without query strings and what else is secret; refusals of wrong requests are no errors of this server. */
function tidied(inner: SpanExporter): SpanExporter {
  return {
    export: (spans, done) => inner.export(spans.map(tidy), done),
    shutdown: () => inner.shutdown(),
    forceFlush: () => inner.forceFlush?.() ?? Promise.resolve(),
  }
}

const redactor = new Redactor()
const untold = (text: string) => redactor.text(text)

function tidy(span: ReadableSpan): ReadableSpan {
  const { 'url.full': url, 'http.response.status_code': status } = span.attributes
  if (typeof url !== 'string') return span
  const told = Object.entries({ ...span.attributes, 'url.full': url.replace(/[?#].*$/s, '') })
  const refused = typeof status === 'number' && status < 500
  // Not a copy: what else there is of a span is found where it was.
  return Object.create(span, {
    attributes: {
      value: Object.fromEntries(told.map(([name, value]) => [name, typeof value === 'string' ? untold(value) : value])),
      enumerable: true,
    },
    ...(refused ? { status: { value: { code: SpanStatusCode.UNSET } }, events: { value: [] } } : {}),
  })
}
