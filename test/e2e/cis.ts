// The checks of the CIS Kubernetes Benchmark 1.12, each with the proof that a default cluster passes it, or with the reason
// why it does not apply. security.test.ts carries out the proofs.

/** What is asked of a running cluster, each by one test. */
export const proofs = {
  modes: 'files with keys and credentials are readable by root only, and directories have 0700',
  anonymous: 'requests without credentials reach health and version only',
  kubelet: 'the kubelet serves HTTPS only, refuses anonymous requests, and asks the API server about all others',
  authorized: 'users have no rights by themselves, and nodes only those of their own objects',
  admission: 'accounts, namespaces and nodes are guarded by admission; no plugin admits everything',
  profiling: 'there are no profiles with --profiling=false',
  audit: 'the audit log has who did what, and no contents',
  lookup: 'a token ends with its account, and with its hour',
  tls: 'TLS is at least 1.2, and certificates are from the authority of the cluster',
  encrypted: 'Secrets are encrypted in the store',
  ports: 'nothing but the API server, the kubelet and the ports of nodes listens beyond loopback',
  pods: 'pods have the seccomp profile RuntimeDefault and a limit of processes',
  roles: 'users and nodes have no wildcards by default, and pods get no rights from their account',
  standards: 'a namespace with a Pod Security Standard refuses what the standard does',
} as const

export type Proof = keyof typeof proofs
type Row = { readonly by: Proof } | { readonly because: string }

const by = (proof: Proof): Row => ({ by: proof })
const because = (reason: string): Row => ({ because: reason })

const noFile = because('the control plane is one program, which is not started from a file of a pod')
const noEtcd = because(
  'the store is a file of the server, in a directory with 0700; with --store etcd it is that etcd’s',
)
const users = because('how users authenticate is chosen by the administrator')
const cluster = because('a matter of what is installed in the cluster, not of how it is set up')
const own = because('the kubeconfig of the administrator has client-certificate credentials, as kubeadm’s has')

/** The number of a row, such as 1.1.3, to its proof. */
export const checks: Readonly<Record<string, Row>> = {
  ...rows('1.1.', 1, 8, noFile),
  ...rows('1.1.', 9, 10, by('modes')),
  '1.1.11': by('modes'),
  '1.1.12': because('there is no user etcd; the directory of the store is root’s'),
  ...rows('1.1.', 13, 21, by('modes')),
  '1.2.1': by('anonymous'),
  '1.2.2': because('there is no file of tokens unless the command line names one'),
  '1.2.3': because('DenyServiceExternalIPs is off, as in Kubernetes; --enable-admission-plugins turns it on'),
  '1.2.4': by('kubelet'),
  '1.2.5': by('kubelet'),
  ...rows('1.2.', 6, 8, by('authorized')),
  '1.2.9': because('EventRateLimit is off, as in Kubernetes; a file of admission plugins turns it on'),
  '1.2.10': by('admission'),
  '1.2.11': because('AlwaysPullImages is off, as in Kubernetes; --enable-admission-plugins turns it on'),
  ...rows('1.2.', 12, 14, by('admission')),
  '1.2.15': by('profiling'),
  ...rows('1.2.', 16, 19, by('audit')),
  '1.2.20': because('a request has a minute, and --request-timeout gives it more or less'),
  '1.2.21': by('lookup'),
  '1.2.22': by('lookup'),
  '1.2.23': noEtcd,
  '1.2.24': by('tls'),
  '1.2.25': by('tls'),
  '1.2.26': noEtcd,
  ...rows('1.2.', 27, 28, by('encrypted')),
  '1.2.29': by('tls'),
  '1.2.30': by('lookup'),
  '1.3.1': because('finished pods are removed by the limit of Kubernetes’ default'),
  '1.3.2': by('profiling'),
  '1.3.3': by('audit'),
  '1.3.4': by('lookup'),
  '1.3.5': by('tls'),
  '1.3.6': by('kubelet'),
  '1.3.7': by('ports'),
  '1.4.1': by('profiling'),
  '1.4.2': by('ports'),
  ...rows('2.', 1, 7, noEtcd),
  '3.1.1': own,
  ...rows('3.1.', 2, 3, users),
  ...rows('3.2.', 1, 2, by('audit')),
  ...rows('4.1.', 1, 2, noFile),
  ...rows('4.1.', 3, 10, by('modes')),
  ...rows('4.2.', 1, 5, by('kubelet')),
  '4.2.6': because('there are no utility chains of iptables: Services are rules of nftables'),
  '4.2.7': because('the name of a node is that of its host unless the command line names another'),
  '4.2.8': because('events are limited by source and object, as the client of Kubernetes does'),
  ...rows('4.2.', 9, 12, by('kubelet')),
  ...rows('4.2.', 13, 14, by('pods')),
  '4.3.1': by('ports'),
  ...rows('5.1.', 1, 4, by('roles')),
  ...rows('5.1.', 5, 6, cluster),
  '5.1.7': own,
  ...rows('5.1.', 8, 13, by('roles')),
  ...rows('5.2.', 1, 12, by('standards')),
  '5.3.1': because('network policies are carried out by the nodes themselves; policies.test.ts proves it'),
  '5.3.2': cluster,
  ...rows('5.4.', 1, 2, cluster),
  '5.5.1': because('ImagePolicyWebhook is not there; a validating webhook or policy does the same'),
  '5.6.1': cluster,
  '5.6.2': by('pods'),
  ...rows('5.6.', 3, 4, cluster),
}

function rows(prefix: string, first: number, last: number, row: Row): Record<string, Row> {
  return Object.fromEntries(Array.from({ length: last - first + 1 }, (_, i) => [`${prefix}${first + i}`, row]))
}
