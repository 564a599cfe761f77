/** Streams from generators. */

/**
 * A stream of what a generator yields, asked for one by one only as they are read. It fails as the generator does; when it is
 * cancelled the generator returns, its `finally` blocks included.
 */
export function streamOf<T>(values: AsyncGenerator<T>): ReadableStream<T> {
  // What `ReadableStream.from` does, which the types of the DOM do not know.
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { done, value } = await values.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await values.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}
