// The agent process of a node on the server's machine. It can read the authority's key, so it issues its certificates
// itself. Nodes on other machines request theirs (join.ts).
import { realClock } from '../base/clock.ts'
import { joined } from '../base/waiters.ts'
import { httpsTransport } from '../client/index.ts'
import { certificateInUse, type Kubelet } from '../kubelet/index.ts'
import type { Authority } from '../wire/x509.ts'
import { changeSignal, keepCertificates } from './kept-certificates.ts'
import { keepLifeline } from './lifeline.ts'
import { movedSignal, nodeAddresses, urlHost } from './node-addresses.ts'
import { nodeDirs } from './node-names.ts'
import { addressIn } from './node-range.ts'
import { authorityText, Pki } from './pki.ts'
import { type NodeConnection, runNode } from './run-node.ts'
import type { RoleOptions } from './server.ts'
import { ServerList } from './server-list.ts'

/** Runs the agent until the signal aborts. Containers keep running after that. */
export async function runAgent(options: RoleOptions): Promise<void> {
  const { config, paths, log, signal, revive, nodeName } = options
  const lifeline = keepLifeline({
    socket: paths.socket,
    hello: { role: 'agent', node: nodeName },
    clock: realClock,
    log,
    revive,
    signal,
  })
  const nodeIPs = nodeAddresses(config, nodeName)
  const moved = movedSignal(() => nodeAddresses(config, nodeName), realClock, log, signal)
  const pki = new Pki(paths.pki, realClock)
  const authority = await pki.authority()
  const around = { clock: realClock, log, signal }
  const text = async () => authorityText(await pki.authority())
  const rekeyed = changeSignal(pki.dir, authorityText(authority), text, around)
  const connection = connect(options, authority, nodeIPs)
  await runNode({
    config,
    paths,
    nodeName,
    nodeIPs,
    connection,
    onKubelet: kubelet => void connection.then(({ keep }) => keep(kubelet)),
    report: lifeline.report,
    log,
    signal: joined(signal, moved, rekeyed).signal,
  })
}

/** Issues the node's certificates and connects with them. */
async function connect(
  { config, paths, nodeName, log, signal }: RoleOptions,
  authority: Authority,
  nodeIPs: readonly string[],
): Promise<NodeConnection & { keep(kubelet: Kubelet): void }> {
  // A node in a namespace reaches the machine's API server at the address of the bridge.
  const inNamespace = config.nodes.find(node => node.name === nodeName)
  const ofMachine = inNamespace ? urlHost(addressIn(config.nodeCidrs[0]!, 1)) : '127.0.0.1'
  const given = [...(inNamespace?.isServer ? ['127.0.0.1'] : []), ofMachine]
  const own = new Pki(nodeDirs(paths.node(nodeName)).pki, realClock, authority)
  const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] }
  const issueClient = () => own.certificate('client', subject, ['client auth', 'digital signature'])
  const issueServing = () =>
    own.certificate('serving', { ...subject, dnsNames: [nodeName], ips: [...nodeIPs, '127.0.0.1'] }, [
      'server auth',
      'digital signature',
    ])
  let client = await issueClient()
  const serving = await issueServing()
  certificateInUse('client', client.certPem)
  certificateInUse('server', serving.certPem)
  const servers = new ServerList(
    nodeDirs(paths.node(nodeName)).servers,
    given.map(host => `https://${host}:${config.port}`),
  )
  const transport = httpsTransport(() => {
    const server = servers.current
    const { certPem: cert, keyPem: key } = client
    return { server, ca: authority.certPem, cert, key, onLost: () => servers.leave(server) }
  })
  const beside = httpsTransport(() => ({
    server: `https://127.0.0.1:${config.port}`,
    ca: authority.certPem,
    cert: client.certPem,
    key: client.keyPem,
  }))
  signal.addEventListener('abort', () => beside.close(), { once: true })
  const keep = (kubelet: Kubelet) =>
    void keepCertificates(
      own.dir,
      [
        {
          name: 'client',
          now: client,
          obtain: issueClient,
          use: pair => {
            client = pair
            certificateInUse('client', pair.certPem)
            transport.renew()
            beside.renew()
          },
        },
        {
          name: 'serving',
          now: serving,
          obtain: issueServing,
          use: pair => (kubelet.renewServing(pair), certificateInUse('server', pair.certPem)),
        },
      ],
      { clock: realClock, log, signal },
    )
  return { transport, servers, serving, keep, beside, ca: authority.certPem }
}
