// The body of an answer as a whole, for answers that are small.
import type { IncomingMessage } from 'node:http'

/** Reads an answer to its end. Rejects when it breaks off, and ends its connection when it has more than `maxBytes`. */
export function bodyOf(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    answer.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) answer.destroy(new Error('the answer is too long'))
      else chunks.push(chunk)
    })
    answer.on('error', reject)
    answer.on('end', () => resolve(Buffer.concat(chunks)))
  })
}
