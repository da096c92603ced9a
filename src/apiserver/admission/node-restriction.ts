// NodeRestriction: a node's credentials change only its own Node and the pods bound to it, and never the labels
// and taints by which it could draw other pods to itself. Source: plugin/pkg/admission/noderestriction.
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { nodeNameOf } from '../authz/node.ts'
import { forbidden } from '../errors.ts'
import type { AdmissionRequest } from './request.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'

export function nodeRestriction(storage: Storage): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    validate(request) {
      const node = nodeNameOf(request.operation.user)
      if (node === undefined || request.operation.kind.group !== '') return
      const refuse = (why: string) => forbidden(request.operation.kind, request.operation.name, why)
      const plural = request.operation.kind.plural
      if (plural === 'pods') {
        const why = podProblem(request, node, storage)
        if (why) throw refuse(why)
      } else if (plural === 'nodes') {
        const why = nodeProblem(request, node)
        if (why) throw refuse(why)
      }
    },
  }
}

function podProblem(
  { type, operation, object, old }: AdmissionRequest,
  node: string,
  storage: Storage,
): string | undefined {
  const pod = (old ?? object ?? storage.mirror(Pod).get(operation.namespace, operation.name)) as
    | DeepReadonly<Pod>
    | undefined
  if (type === 'CREATE' && operation.subresource === '') {
    if (!pod?.metadata.annotations?.['kubernetes.io/config.mirror'])
      return `pod does not have "kubernetes.io/config.mirror" annotation, node "${node}" can only create mirror pods`
  }
  if (pod?.spec.nodeName !== node) return `node "${node}" can only ${verbs[type]} pods with spec.nodeName set to itself`
  return undefined
}

const verbs = { CREATE: 'create', UPDATE: 'update status for', DELETE: 'delete', CONNECT: 'connect to' }

const ownLabels =
  /^(kubernetes\.io\/(hostname|arch|os)|node\.kubernetes\.io\/.*|.*\.node\.kubernetes\.io\/.*|kubelet\.kubernetes\.io\/.*|(beta\.)?kubernetes\.io\/(arch|os)|topology\.kubernetes\.io\/(zone|region)|(failure-domain\.)beta\.kubernetes\.io\/(zone|region))$/

function nodeProblem({ type, operation, object, old }: AdmissionRequest, node: string): string | undefined {
  if (type === 'CREATE' ? object?.metadata.name !== node : operation.name !== node)
    return `node "${node}" is not allowed to modify node "${operation.name}"`
  if (type === 'CREATE' || type === 'UPDATE') {
    const before = (old?.metadata.labels ?? {}) as Record<string, string>
    const after = object?.metadata.labels ?? {}
    const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
      key => before[key] !== after[key],
    )
    const wrong = changed.filter(key => /(^|\.)kubernetes\.io\/|(^|\.)k8s\.io\//.test(key) && !ownLabels.test(key))
    if (wrong.length) return `is not allowed to modify labels: ${wrong.sort().join(', ')}`
    if (object?.metadata.ownerReferences?.length) return 'is not allowed to modify ownerReferences'
  }
  if (type === 'UPDATE') {
    const taints = (n: unknown) => JSON.stringify((n as DeepReadonly<Node> | undefined)?.spec.taints ?? [])
    if (taints(object) !== taints(old)) return `is not allowed to modify taints`
  }
  return undefined
}
