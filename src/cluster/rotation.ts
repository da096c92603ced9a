// `kutter certs rotate-ca` and `rotate-sa-key`: another authority and another key for tokens, while the cluster runs.
//
// The new authority has a certificate of the old one as well, which follows everything it issues. So who trusts only the
// old one goes on: kubeconfigs that were handed out, pods, nodes on other machines. All who ask get both, and when all
// nodes have certificates of the new one, `rotate-ca --finish` ends the trust in the old one.
//
//   old ──rotate-ca──► new, old (issued by new, also accepted by who trusts old) ──--finish──► new
//
// Processes of this machine start again when their authority changes; containers are not touched. Other servers get the
// files in a Secret that only who has the keys before can decrypt (shared-keys.ts), other nodes read the authorities in
// kube-system/kutter-config (join.ts).
// Source: kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates, for the order of the steps.
import { connect } from 'node:tls'
import { realClock } from '../base/clock.ts'
import { type Client, httpsTransport } from '../client/index.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { Node } from '../kinds/core/node.ts'
import { makeSigningKey, publicKeyOf, readSigningKey } from '../wire/jwt.ts'
import { type Authority, crossSign, isIssuedBy, makeAuthority, splitBundle } from '../wire/x509.ts'
import { type Admin, withAdmin } from './admin.ts'
import { writeKubeconfigs } from './admin-credentials.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, nodeNames } from './config.ts'
import { membersHere } from './etcd-member.ts'
import { etcdPkiOf } from './etcd-pki.ts'
import { isTrustOld, membersBehind } from './etcd-trust.ts'
import { ask, isUp } from './link.ts'
import { urlHost } from './node-addresses.ts'
import { authorityMs, Pki, type PkiFiles, type TokenKeys } from './pki.ts'
import { nodesReady, readyTimeoutMs, waitUntil } from './ready.ts'
import { clusterFiles, digestOf, etcdFiles, publishFiles } from './shared-keys.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { parseStore } from './store-location.ts'

interface Context {
  paths: ClusterPaths
  config: ClusterConfig
  out: (text: string) => void
}

const reachMs = 5_000
const followMs = 60_000
/** How long the members of etcd may take to start again, one after the other. */
const etcdMs = 180_000
const lookMs = 200

/** The files of a new authority, which the present one has signed. */
export async function nextAuthority(present: Authority, now: number, name = 'kutter-ca'): Promise<PkiFiles> {
  const validity = { now, validMs: authorityMs }
  // The name differs, so that it is plain to see which authority has issued a certificate.
  const next = await makeAuthority({ commonName: `${name}-${new Date(now).toISOString().slice(0, 10)}`, ...validity })
  return {
    'ca.crt': next.certPem + splitBundle(present.certPem)[0]!,
    'ca.key': next.keyPem,
    'ca-chain.crt': await crossSign(present, next, validity),
  }
}

/** The files of an authority that stands alone. */
export const finished = ({ certPem }: Authority): PkiFiles => ({
  'ca.crt': splitBundle(certPem)[0]!,
  'ca-chain.crt': '',
})

/** The files with another key for tokens; the present one is accepted until what it has signed has ended. */
export const nextTokenKey = ({ key, former }: TokenKeys, next: string, now: number): PkiFiles => ({
  'sa.key': next,
  'sa-previous.json': JSON.stringify(
    [...former.filter(({ publicKey }) => publicKey !== publicKeyOf(next)), { publicKey: publicKeyOf(key), until: now }],
    null,
    2,
  ),
})

/** Carries out `kutter certs rotate-ca [--finish]`. Returns the exit code. */
export async function rotateAuthority(context: Context, isFinish: boolean): Promise<number> {
  const { paths, config, out } = context
  const pki = new Pki(paths.pki, realClock)
  const present = await pki.authority()
  const isBetween = splitBundle(present.certPem).length > 1
  if (!isFinish) {
    if (isBetween)
      throw new UsageError(
        'the authority before the present one is still accepted; end that first with: kutter certs rotate-ca --finish',
      )
    await rotateEtcd(context)
    await place(context, pki, await nextAuthority(present, realClock.now()))
    out(
      'The cluster has a new authority. Certificates and kubeconfigs of the one before are accepted until: kutter certs rotate-ca --finish\n',
    )
    return 0
  }
  if (!isBetween)
    throw new UsageError('there is no authority before the present one; begin with: kutter certs rotate-ca')
  if (!(await isUp(paths.socket)))
    throw new UsageError(
      'the cluster does not run, so its nodes cannot be asked for their certificates; start it first',
    )
  await withAdmin(paths, config, async admin => {
    const behind = await nodesBehind(admin.client, splitBundle(present.certPem)[0]!)
    if (behind.length)
      throw new Error(
        `these nodes have no certificate of the new authority yet: ${behind.join(', ')}; wait for them, or remove them from the cluster`,
      )
  })
  await finishEtcd(context)
  await place(context, pki, finished(present))
  out('Only the new authority is accepted.\n')
  return 0
}

/** Carries out `kutter certs rotate-sa-key`. Returns the exit code. */
export async function rotateTokenKey(context: Context): Promise<number> {
  const { paths, config, out } = context
  const pki = new Pki(paths.pki, realClock)
  const present = await pki.tokenKeys()
  const next = makeSigningKey()
  const now = realClock.now()
  if (parseStore(config.store, config.name)) {
    // All servers accept the key before one of them signs with it.
    const announced = [...present.former, { publicKey: publicKeyOf(next), until: now }]
    await place(context, pki, { 'sa-previous.json': JSON.stringify(announced, null, 2) })
    await eachServerHas(context, readSigningKey(next).keyId)
  }
  await place(context, pki, nextTokenKey(await pki.tokenKeys(), next, now))
  out('Tokens are signed with a new key. Those that the one before has signed are accepted until they end.\n')
  return 0
}

/**
 * Gives the cluster's own etcd another authority as well, and waits until all members trust it. They start again, one
 * after the other.
 */
async function rotateEtcd({ paths, config }: Context): Promise<void> {
  if (!hasOwnEtcd(config) || !(await isUp(paths.socket))) return
  const pki = etcdPkiOf(paths, realClock)
  const present = await pki.authority()
  // Begun by a command that did not come to its end.
  if (splitBundle(present.certPem).length === 1) {
    const files = await nextAuthority(present, realClock.now(), 'kutter-etcd-ca')
    await withAdmin(paths, config, async admin => {
      const after = await publishFiles(admin.client, etcdFiles(pki, paths), files)
      await waitUntil(realClock.steady() + followMs, paths, async () => (await digestOf(pki.dir)) === after)
    })
  }
  await untilNone('these members of etcd do not trust the new authority', () => behindInEtcd(paths, config, pki))
}

/** Ends the trust of the cluster's own etcd in the authority before. */
async function finishEtcd({ paths, config }: Context): Promise<void> {
  if (!hasOwnEtcd(config)) return
  const pki = etcdPkiOf(paths, realClock)
  const present = await pki.authority()
  if (splitBundle(present.certPem).length === 1) return
  const behind = await behindInEtcd(paths, config, pki)
  if (behind.length)
    throw new Error(`these members of etcd do not trust the new authority yet: ${behind.join(', ')}; wait for them`)
  await withAdmin(paths, config, admin => publishFiles(admin.client, etcdFiles(pki, paths), finished(present)))
  await untilNone('these members of etcd have not started again', async () => {
    const names = membersHere(config).map(({ name }) => name)
    const old = await Promise.all(names.map(async name => ((await isTrustOld(paths, name)) ? [name] : [])))
    return splitBundle((await pki.authority()).certPem).length > 1 ? names : old.flat()
  })
}

async function behindInEtcd(paths: ClusterPaths, config: ClusterConfig, pki: Pki): Promise<string[]> {
  const { certPem, keyPem } = await pki.authority()
  return membersBehind(config, paths, { certPem: splitBundle(certPem)[0]!, keyPem }, realClock.now())
}

async function untilNone(what: string, left: () => Promise<readonly string[]>): Promise<void> {
  const deadline = realClock.steady() + etcdMs
  for (;;) {
    const names = await left()
    if (!names.length) return
    if (realClock.steady() > deadline) throw new Error(`${what}: ${names.join(', ')}`)
    await realClock.sleep(lookMs)
  }
}

/** Puts the files in place, here and at other servers, and waits until the cluster runs with them. */
async function place(context: Context, pki: Pki, files: PkiFiles): Promise<void> {
  const { paths, config } = context
  const running = await isUp(paths.socket)
  const before = await serverOf(paths)
  if (parseStore(config.store, config.name)) {
    if (!running)
      throw new UsageError('other servers may share the store, and get keys from this one; start the cluster first')
    await withAdmin(paths, config, async admin => {
      // The server of this machine takes them as all others do.
      const after = await publishFiles(admin.client, clusterFiles(pki), files)
      await waitUntil(realClock.steady() + followMs, paths, async () => (await digestOf(pki.dir)) === after)
    })
  } else await pki.replace(files)
  await withAdmin(paths, config, async admin => {
    await writeKubeconfigs(paths, config, admin)
    if (running) await restarted(context, admin.client, before)
  })
}

/** Waits until another process serves, and the nodes of this machine are ready. */
async function restarted({ paths, config }: Context, client: Client, before: number | undefined): Promise<void> {
  const names = nodeNames(config)
  await waitUntil(realClock.steady() + readyTimeoutMs, paths, async () => {
    const pid = await serverOf(paths)
    return pid !== undefined && pid !== before && (await nodesReady(client, paths, names))
  })
}

/** The process that serves, once it does. */
const serverOf = async (paths: ClusterPaths): Promise<number | undefined> =>
  (await ask(paths.socket, { command: 'status' }))?.processes.find(({ role, ready }) => role === 'server' && ready)?.pid

/** Waits until every server of the cluster accepts tokens of this key. */
async function eachServerHas({ paths, config }: Context, keyId: string): Promise<void> {
  await withAdmin(paths, config, async admin => {
    const slice = await admin.client.get(EndpointSlice, { namespace: 'default', name: 'kubernetes' })
    const port = slice.ports?.[0]?.port
    const addresses = slice.endpoints.flatMap(endpoint => endpoint.addresses)
    const until = realClock.steady() + followMs
    for (const server of addresses.map(address => `https://${urlHost(address)}:${port}`))
      while (!(await hasKey(admin, server, keyId))) {
        if (realClock.steady() > until)
          throw new Error(`${server} does not take the new key; the one that signs has not changed`)
        await realClock.sleep(lookMs)
      }
  })
}

async function hasKey({ ca, certificate }: Admin, server: string, keyId: string): Promise<boolean> {
  const transport = httpsTransport(() => ({ server, ca, cert: certificate.certPem, key: certificate.keyPem }))
  try {
    const { keys } = JSON.parse(await transport.fetch('/openid/v1/jwks')) as { keys: { kid: string }[] }
    return keys.some(({ kid }) => kid === keyId)
  } catch {
    // It starts again just now, or is away.
    return false
  } finally {
    transport.close()
  }
}

/** The names of the nodes whose kubelet has no certificate of this authority, or does not answer. */
async function nodesBehind(client: Client, authority: string): Promise<string[]> {
  const { items } = await client.list(Node)
  const looks = items.map(async ({ metadata, status }) => {
    const address = status.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? ''
    const port = status.daemonEndpoints?.kubeletEndpoint?.Port ?? 10250
    return (await shows(address, port, authority)) ? [] : [metadata.name ?? '']
  })
  return (await Promise.all(looks)).flat()
}

/** Whether the server at this address has a certificate that the authority itself has issued. */
function shows(host: string, port: number, authority: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: reachMs }, () => {
      const certificate = socket.getPeerX509Certificate()
      end(certificate !== undefined && isIssuedBy(certificate, authority))
    })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}
