// A relay of VXLAN that changes the order of packets, for those that the kernel leads to it instead of to their targets:
//
//   reorder.ts SEED PORT ADDRESS:PORT [PORT ADDRESS:PORT …]
//
// What comes at a port is sent on to the address after it. One packet in eight is held back for up to 4 ms, so that later
// ones come before it. It prints the number of those once a second.
import { createSocket } from 'node:dgram'
import { realClock } from '../../../src/base/clock.ts'
import { seededRandom } from '../../../src/base/random.ts'

const [seed, ...ways] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const share = 1 / 8
const longestMs = 4
let held = 0

const [vxlanBytes, etherBytes] = [8, 14]
const [ipv4, tcp] = [0x0800, 6]

/**
 * Completes the checksum of the TCP in a packet. Between links of one kernel it is left to a network card that does not
 * exist, and nobody looks at it; but what a program sends is looked at. Source: RFC 9293, 3.1; RFC 1071.
 */
function complete(packet: Buffer): Buffer {
  const inner = packet.subarray(vxlanBytes + etherBytes)
  if (packet.readUInt16BE(vxlanBytes + etherBytes - 2) !== ipv4 || inner[9] !== tcp) return packet
  const head = (inner[0]! & 15) * 4
  const segment = inner.subarray(head, inner.readUInt16BE(2))
  segment.writeUInt16BE(0, 16)
  let sum = tcp + segment.length
  for (let at = 12; at < 20; at += 2) sum += inner.readUInt16BE(at)
  for (let at = 0; at < segment.length; at += 2)
    sum += at + 1 < segment.length ? segment.readUInt16BE(at) : segment[at]! << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  segment.writeUInt16BE(~sum & 0xffff, 16)
  return packet
}

for (let i = 0; i < ways.length; i += 2) {
  const [host = '', port] = ways[i + 1]!.split(':')
  const socket = createSocket('udp4')
  // A target that is away is no matter of the relay.
  socket.on('error', () => {})
  socket.on('message', packet => {
    const send = () => socket.send(complete(packet), Number(port), host, () => {})
    if (random.float() >= share) return send()
    held++
    return void realClock.after(1 + random.float() * (longestMs - 1), send)
  })
  socket.bind(Number(ways[i]), () => socket.setRecvBufferSize(8 << 20))
}
setInterval(() => process.stdout.write(`${held}\n`), 1_000)
