// The cluster's DNS server, one on each node. It answers names of Services and pods from mirrors (records.ts), and asks
// other resolvers all other questions (upstream.ts): those of the machine, or those that the ConfigMap kube-dns in
// kube-system names (settings.ts). It listens on the addresses of the node's bridge, to which the Service kube-dns leads.
//
// - Bytes that are not a query get no answer over UDP, and over TCP end the connection. A query with a mistake gets the
//   error for it; one with several questions is a mistake.
// - Answers about the cluster are as new as the mirrors: encoded answers are kept only until what they follow from
//   changes (prepared.ts). Clients may keep them for 5 s. When the API server is away, the mirrors keep their last
//   content and answers go on.
// - Changed settings are in effect with the next question. Settings with a mistake are left out as a whole, with an
//   event that names the field; the former ones stay.
// - A query never fails without an answer: an error is logged and answered as SERVFAIL. So is a name outside of the
//   cluster when no resolver answers.
// - Limits: a UDP answer has at most 512 bytes, or up to 1232 when the client offers more by EDNS; what does not fit is
//   cut off and marked, and the client asks again over TCP. There are at most 200 TCP connections, which end after 10 s
//   without traffic.
// - Metrics are served under the names of CoreDNS (metrics.ts), on a port of their own.
// - When the signal aborts all sockets close, and queries under way get no answer.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { DnsMetrics } from './metrics.ts'
import { serveMetrics } from './metrics-server.ts'
import { PreparedAnswers } from './prepared.ts'
import { measureProgramming } from './programming.ts'
import type { Names } from './records.ts'
import { Responder } from './responder.ts'
import { keepSettings } from './settings-source.ts'
import { listenTcp, listenUdp } from './sockets.ts'
import { Upstream } from './upstream.ts'

interface DnsOptions {
  readonly client: Client
  readonly nodeName: string
  /** One for each family of addresses. */
  readonly addresses: readonly string[]
  readonly port: number
  /** The port of the metrics, on the same addresses. */
  readonly metricsPort: number
  readonly domain: string
  /** Path of a resolv.conf with the resolvers for names outside of the cluster. */
  readonly resolvConf: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Waits for the mirrors, then serves on UDP and TCP until the signal aborts. With port 0 all get the same free port.
 * Metrics that cannot be served are logged, and do not keep DNS from being served.
 */
export async function startDns(options: DnsOptions): Promise<{ port: number; metricsPort: number | undefined }> {
  const { client, signal, domain, clock, random, log, addresses } = options
  const names: Names = {
    services: client.mirror(Service),
    slices: client.mirror(EndpointSlice),
    namespaces: client.mirror(Namespace),
    domain,
    domainLabels: domain.split('.'),
  }
  await client.synced([names.services, names.slices, names.namespaces], signal)
  const metrics = new DnsMetrics()
  const upstream = new Upstream({ file: options.resolvConf, clock, random, log, metrics })
  const prepared = new PreparedAnswers(domain)
  const responder = new Responder({ names, prepared, upstream, metrics, random, log })
  const events = new EventRecorder(client, { component: 'dns', host: options.nodeName })
  const stops = [
    prepared.follow(names),
    measureProgramming(names, metrics, clock),
    keepSettings({ client, domain, log, events, metrics, use: settings => upstream.use(settings) }),
  ]
  const stop = () => {
    for (let end = stops.pop(); end; end = stops.pop()) end()
  }
  signal.addEventListener('abort', stop, { once: true })
  let { port } = options
  try {
    for (const address of addresses) {
      const family = address.includes(':') ? '2' : '1'
      const [udpWay, tcpWay] = [metrics.way('udp', family), metrics.way('tcp', family)]
      const udp = await listenUdp({ address, port, log }, query => responder.answer(query, udpWay))
      stops.push(() => udp.close())
      port = udp.port
      const tcp = await listenTcp({ address, port, log }, query => responder.answer(query, tcpWay))
      stops.push(() => tcp.close())
    }
    signal.throwIfAborted()
  } catch (error) {
    // The next try needs the port again.
    stop()
    throw error
  }
  let metricsPort: number | undefined
  for (const address of addresses)
    metricsPort = await serveMetrics({ address, port: metricsPort ?? options.metricsPort, metrics, log, signal })
  return { port, metricsPort }
}
