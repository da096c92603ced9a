// A connection to a program that a test can cut, stall and mend: a port of loopback that leads to it.
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Link {
  readonly endpoint: string
  readonly #server: Server
  readonly #sockets: Set<Socket>
  #mode: 'open' | 'cut' | 'stalled' | 'deaf' = 'open'
  /** Those from the target, of all sockets. */
  readonly #far = new Set<Socket>()

  private constructor(server: Server, target: string) {
    this.#server = server
    this.#sockets = new Set()
    this.endpoint = `127.0.0.1:${(server.address() as { port: number }).port}`
    const [host = '', port] = target.split(':')
    server.on('connection', socket => this.#lead(socket, host, Number(port)))
  }

  /** @param target `host:port` */
  static async to(target: string): Promise<Link> {
    const server = createServer()
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    return new Link(server, target)
  }

  /** Ends all connections, and lets none in. */
  cut(): void {
    this.#mode = 'cut'
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Lets nothing through in either direction, without a sign of it. */
  stall(): void {
    this.#mode = 'stalled'
    for (const socket of this.#sockets) socket.pause()
  }

  /** Lets questions through, and no answers. */
  deafen(): void {
    this.#mode = 'deaf'
    for (const socket of this.#far) socket.pause()
  }

  mend(): void {
    this.#mode = 'open'
    for (const socket of this.#sockets) socket.resume()
  }

  close(): void {
    this.cut()
    this.#server.close()
  }

  #lead(near: Socket, host: string, port: number): void {
    if (this.#mode === 'cut') return void near.destroy()
    const far = connect(port, host)
    this.#far.add(far)
    far.on('close', () => this.#far.delete(far))
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', chunk => void to.write(chunk))
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      if (this.#mode === 'stalled' || (this.#mode === 'deaf' && from === far)) from.pause()
    }
  }
}
