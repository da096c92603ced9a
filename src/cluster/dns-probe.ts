// Sends one question to a DNS server, to find out whether it answers.
import { createSocket } from 'node:dgram'
import { decode, encode } from 'dns-packet'

const waitMs = 300

/** Whether `server` answers within `waitMs` with an address for `name` of its own family. */
export function dnsAnswers(server: string, name: string): Promise<boolean> {
  return new Promise(resolve => {
    const isSix = server.includes(':')
    const socket = createSocket(isSix ? 'udp6' : 'udp4')
    let open = true
    const finish = (result: boolean) => {
      if (!open) return
      open = false
      socket.close()
      resolve(result)
    }
    AbortSignal.timeout(waitMs).addEventListener('abort', () => finish(false))
    socket.on('error', () => finish(false))
    socket.on('message', message => finish(hasAnswers(message)))
    // Only a connected socket gets the error that nobody listens on the port.
    socket.connect(53, server, () =>
      socket.send(encode({ type: 'query', id: 1, flags: 1 << 8, questions: [{ name, type: isSix ? 'AAAA' : 'A' }] })),
    )
  })
}

function hasAnswers(message: Buffer): boolean {
  try {
    return (decode(message).answers ?? []).length > 0
  } catch {
    // The bytes are not a DNS message, so something else listens there.
    return false
  }
}
