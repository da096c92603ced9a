// Ports that other programs may have.
import { createServer } from 'node:net'

/** Whether a TCP port is free on all addresses. Another program may take it right afterwards. */
export function portFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)))
  })
}
