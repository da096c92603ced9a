// Throughput of one connection between two hosts in network namespaces: over a plain cable, over a bridge as between the
// pods of one node, and through VXLAN as the node sets it up. Needs root. Rounds alternate, since the machine varies.
// Run: node bench/overlay.ts [SECONDS=2] [ROUNDS=5]
import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { makeIp } from '../src/linux/index.ts'
import { planPeers, vxlanAddress, vxlanMac } from '../src/network/overlay.ts'

const [role, ...words] = process.argv.slice(2)
const port = 5001

if (role === 'sink')
  createServer(socket => {
    let bytes = 0
    socket.on('data', chunk => (bytes += chunk.length))
    socket.on('close', () => console.log(bytes))
    socket.on('error', () => {})
  }).listen(port, words[0], () => console.log('listening'))
else if (role === 'source') {
  const block = Buffer.alloc(256 * 1024)
  const socket = connect(port, words[0])
  const send = () => {
    while (socket.write(block));
  }
  socket.on('connect', send).on('drain', send)
  setTimeout(() => process.exit(), Number(words[1]) * 1000)
} else await measure(Number(role ?? 2), Number(words[0] ?? 5))

function inside(namespace: string, ...args: string[]) {
  return spawn('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, import.meta.filename, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Bits per second from one namespace to an address of another. */
async function throughput(from: string, to: string, address: string, seconds: number): Promise<number> {
  const sink = inside(to, 'sink', address)
  try {
    const lines = sink.stdout[Symbol.asyncIterator]()
    await lines.next()
    inside(from, 'source', address, String(seconds))
    const { value } = (await lines.next()) as { value: Buffer }
    return (Number(String(value).trim()) * 8) / seconds
  } finally {
    sink.kill()
  }
}

async function measure(seconds: number, rounds: number): Promise<void> {
  const ip = makeIp()
  const [a, b, bridged] = ['a', 'b', 'br'].map(name => `kutter-bench-${process.pid}-${name}`) as [
    string,
    string,
    string,
  ]
  const ways: Record<string, string> = { cable: '10.1.0.2', bridge: '10.2.0.2', vxlan: '10.3.2.0' }
  try {
    for (const name of [a, b, bridged]) await ip.addNamespace(name)
    await ip
      .inside(a)
      .batch([`link add e0 type veth peer name e0 netns ${b}`, `link add e1 type veth peer name e1 netns ${bridged}`])
    await ip.inside(b).batch([`link add e1 type veth peer name e2 netns ${bridged}`])
    const bridge = ['link add name middle type bridge', 'link set middle up']
    await ip.inside(bridged).batch([...bridge, ...['e1', 'e2'].map(link => `link set ${link} master middle up`)])
    const peers = { [a]: ['10.3.1.0/24', '10.1.0.1'], [b]: ['10.3.2.0/24', '10.1.0.2'] } as const
    for (const [own, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const host = ip.inside(own)
      const [range, address] = peers[own]!
      const remote = { range: peers[other]![0], address: peers[other]![1] }
      await host.batch([
        `address add ${address}/24 dev e0`,
        `address add ${address.replace('10.1', '10.2')}/24 dev e1`,
        'link set e0 up',
        'link set e1 up',
        `link add vx address ${vxlanMac(address)} type vxlan id 7 local ${address} dstport 8472 nolearning`,
        `address add ${vxlanAddress(range)}/32 dev vx`,
        'link set vx mtu 1450 up',
        `route add ${remote.range} via ${vxlanAddress(remote.range)} dev vx onlink`,
      ])
      const plan = planPeers('vx', [remote], [], [])
      await host.batch(plan.ip)
      for (const command of plan.bridge) await host.exec('bridge', command.split(' '))
    }
    const best = new Map<string, number>()
    for (let round = 0; round < rounds; round++)
      for (const [way, address] of Object.entries(ways))
        best.set(way, Math.max(best.get(way) ?? 0, await throughput(a, b, address, seconds)))
    const cable = best.get('cable')!
    for (const [way, bits] of best)
      console.log(`${way}: ${(bits / 1e9).toFixed(2)} Gbit/s, ${((100 * bits) / cable).toFixed(0)} % of the cable`)
  } finally {
    for (const name of [a, b, bridged]) await ip.deleteNamespace(name)
  }
}
