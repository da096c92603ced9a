// The certificates of an etcd that the cluster runs itself. Its authority signs nothing else, so no certificate of the
// cluster's own authority opens the store.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { EtcdTls } from '../store/index.ts'
import type { KeyPair } from '../wire/x509.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { hostAddresses } from './machine.ts'
import { etcdPki, memberAddress, memberCertificate, membersHere } from './etcd-member.ts'
import { Pki } from './pki.ts'

const clientName = 'client'
/** A name that all members' certificates have. They are reached by addresses, for which TLS has no server name. */
const serverName = 'localhost'

export const etcdPkiOf = (paths: Pick<ClusterPaths, 'pki'>, clock: Clock) =>
  new Pki(etcdPki(paths), clock, { commonName: 'kutter-etcd-ca' })

/** The certificate with which servers and commands call etcd. */
export const etcdClientCertificate = (paths: Pick<ClusterPaths, 'pki'>, clock: Clock): Promise<KeyPair> =>
  etcdPkiOf(paths, clock).certificate(clientName, { commonName: 'kutter-etcd-client' }, [
    'client auth',
    'digital signature',
  ])

const maxAddresses = 32

/** The certificate of a member, by which it serves, and calls the other members. etcd reads it for each connection. */
export function etcdMemberCertificate(
  config: ClusterConfig,
  paths: Pick<ClusterPaths, 'pki'>,
  name: string,
  clock: Clock,
): Promise<KeyPair> {
  // A member is asked for the address from which it calls, which on a machine with several depends on the way.
  const here = name === config.nodeName ? [...hostAddresses(4), ...hostAddresses(6)].slice(0, maxAddresses) : []
  const ips = [...new Set(['127.0.0.1', '::1', memberAddress(config, name), ...here])]
  return etcdPkiOf(paths, clock).certificate(
    memberCertificate(name),
    { commonName: `kutter-etcd-${name}`, dnsNames: [serverName], ips },
    ['server auth', 'client auth', 'digital signature', 'key encipherment'],
  )
}

/** Issues whatever the members on this machine and their clients lack, before etcd starts. */
export async function ensureEtcdCertificates(config: ClusterConfig, paths: ClusterPaths, clock: Clock): Promise<void> {
  await etcdClientCertificate(paths, clock)
  for (const { name } of membersHere(config)) await etcdMemberCertificate(config, paths, name, clock)
}

/** Reads the files of TLS with the own etcd. */
export function ownEtcdTls(paths: Pick<ClusterPaths, 'pki'>): EtcdTls {
  const read = (file: string) => readFileSync(join(etcdPki(paths), file))
  return { serverName, ca: read('ca.crt'), cert: read(`${clientName}.crt`), key: read(`${clientName}.key`) }
}
