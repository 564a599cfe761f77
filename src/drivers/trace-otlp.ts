/**
 * Traces by OpenTelemetry, to a collector over OTLP/HTTP: a span for each request and each attempt at a job. Configured by the
 * variables that OpenTelemetry defines (`OTEL_EXPORTER_OTLP_…`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` …), which its own packages
 * read. To be imported only where a collector is configured: it is large.
 */
import { httpInstrumentationMiddleware } from '@hono/otel'
import { type Attributes, DiagLogLevel, diag, propagation, SpanKind, SpanStatusCode } from '@opentelemetry/api'
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

/** Hooks through which a server is traced. */
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
const redacted = (text: string) => redactor.text(text)

function tidy(span: ReadableSpan): ReadableSpan {
  const { 'url.full': url, 'http.response.status_code': status } = span.attributes
  const isRefusal = typeof url === 'string' && typeof status === 'number' && status < 500
  const attributes = withoutSecrets({
    ...span.attributes,
    ...(typeof url === 'string' ? { 'url.full': url.replace(/[?#].*$/s, '') } : {}),
  })
  // A recorded exception is an event: its message and its stack quote the statement that failed, with its parameters.
  const events = span.events.map((event) => ({
    ...event,
    name: redacted(event.name),
    ...(event.attributes === undefined ? {} : { attributes: withoutSecrets(event.attributes) }),
  }))
  const links = span.links.map((link) => ({
    ...link,
    ...(link.attributes === undefined ? {} : { attributes: withoutSecrets(link.attributes) }),
  }))
  const { code, message } = span.status
  const cleanStatus = message === undefined ? { code } : { code, message: redacted(message) }
  // Not a copy: what else there is of a span is found where it was.
  return Object.create(span, {
    name: { value: redacted(span.name), enumerable: true },
    attributes: { value: attributes, enumerable: true },
    status: { value: isRefusal ? { code: SpanStatusCode.UNSET } : cleanStatus, enumerable: true },
    events: { value: isRefusal ? [] : events, enumerable: true },
    links: { value: links, enumerable: true },
  })
}

/** Texts, and lists of them, without what is secret. */
function withoutSecrets(attributes: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      if (typeof value === 'string') return [name, redacted(value)]
      if (!Array.isArray(value)) return [name, value]
      return [name, value.map((one) => (typeof one === 'string' ? redacted(one) : one))]
    }),
  )
}
