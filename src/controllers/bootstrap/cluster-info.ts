// The bootstrap signer. The ConfigMap kube-public/cluster-info has the address and authority of the cluster, readable
// without credentials. It has one signature for each bootstrap token, made with the token's secret: a node that joins
// with that token verifies by it that the ConfigMap comes from a holder of the token.
// Source: pkg/controller/bootstrap/bootstrapsigner.go, k8s.io/cluster-bootstrap/token/jws.
import { sameJson } from '../../api/equal.ts'
import { detachedSignature } from '../../wire/jwt.ts'
import {
  type BootstrapToken,
  bootstrapTokenNamespace,
  isExpired,
  readBootstrapToken,
} from '../../kinds/core/bootstrap-token.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { defineKeyedController, watch } from '../harness.ts'

const namespace = 'kube-public'
const name = 'cluster-info'
const signaturePrefix = 'jws-kubeconfig-'

export const clusterInfoSigner = defineKeyedController({
  name: 'bootstrap-signer',
  workers: 1,
  watches: [
    watch(ConfigMap, map => (map.metadata.namespace === namespace && map.metadata.name === name ? [name] : [])),
    watch(Secret, secret => (secret.metadata.namespace === bootstrapTokenNamespace ? [name] : [])),
  ],
  async reconcile(_key, ctx) {
    const info = ctx.cache(ConfigMap).get(namespace, name)
    if (!info?.data?.kubeconfig) return
    const tokens = ctx
      .cache(Secret)
      .list(bootstrapTokenNamespace)
      .flatMap(secret => readBootstrapToken(secret) ?? [])
    const data = signed(info.data, tokens, ctx.now())
    if (sameJson(data, sorted(info.data))) return
    await ctx.update(ConfigMap, { ...info, data })
  },
})

/** The data of the ConfigMap with one signature for each token that may sign, and no other signatures. */
function signed(data: Record<string, string>, tokens: readonly BootstrapToken[], now: number): Record<string, string> {
  const rest = Object.entries(data).filter(([key]) => !key.startsWith(signaturePrefix))
  const signatures = tokens
    .filter(token => token.usages.has('signing') && !isExpired(token, now))
    .map(({ id, secret }) => [signaturePrefix + id, detachedSignature(data.kubeconfig ?? '', id, secret)] as const)
  return sorted(Object.fromEntries([...rest, ...signatures]))
}

const sorted = (data: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)))
