// Who may do what with ResourceClaims, beyond the right to write them:
//
// - Access to devices for administration can be asked for in namespaces with the label
//   resource.kubernetes.io/admin-access only.
// - Allocations and reservations are written by those who may write `resourceclaims/binding`, which is no subresource
//   that there is: the scheduler and the controller of claims.
// - The state of a device is written by its driver, which may write `resourceclaims/driver` of that name, with the
//   verb `arbitrary-node:update`, or `associated-node:update` for a service account whose pod is on the claim's node.
//
// Source: pkg/registry/resource (authorization.go, called by the strategies of claims and templates).
import { sameJson } from '../../api/equal.ts'
import { invalidError, type Path, type Problem, root } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { dropDeallocated } from '../../kinds/resource/claim-status-rules.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { AllocationResult, ResourceClaimStatus } from '../../kinds/resource/resourceclaimstatus.ts'
import { ResourceClaimTemplate } from '../../kinds/resource/resourceclaimtemplate.ts'
import type { ResourceClaimSpec } from '../../kinds/resource/types.ts'
import type { AccessRequest, Authorizer } from '../authz/authorizer.ts'
import { accessDenied } from '../errors.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'
import type { AdmissionRequest } from './request.ts'

const label = 'resource.kubernetes.io/admin-access'
const nodeNameKey = 'authentication.kubernetes.io/node-name'

export function deviceAccess(storage: Storage, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'DeviceAccess',
    async validate(request) {
      const { operation, type, object, old } = request
      const { kind, subresource, name } = operation
      if (kind !== ResourceClaim && kind !== ResourceClaimTemplate) return
      const problems: Problem[] = []
      const admin =
        type === 'CREATE' && subresource === ''
          ? askedAt(object as ResourceClaim | ResourceClaimTemplate)
          : type === 'UPDATE' && subresource === 'status'
            ? grantedAt(object as ResourceClaim, old as ResourceClaim)
            : undefined
      if (admin && !(await isForAdmins(storage, operation.namespace)))
        problems.push(
          admin.forbidden(`admin access to devices requires the \`${label}: true\` label on the containing namespace`),
        )
      if (kind === ResourceClaim && type === 'UPDATE' && subresource === 'status')
        for await (const problem of rightsMissing(request, authorizer)) problems.push(problem)
      if (problems.length) throw invalidError(kind, name, problems)
    },
  }
}

async function isForAdmins(storage: Storage, namespace: string): Promise<boolean> {
  const isLabelled = () => storage.mirror(Namespace).get(undefined, namespace)?.metadata.labels?.[label] === 'true'
  if (isLabelled()) return true
  await storage.catchUp()
  return isLabelled()
}

const isTemplate = (object: ResourceClaim | ResourceClaimTemplate): object is ResourceClaimTemplate =>
  object.kind === ResourceClaimTemplate.kind

/** Where a claim or template asks for access for administration. */
function askedAt(object: ResourceClaim | ResourceClaimTemplate): Path | undefined {
  const spec: ResourceClaimSpec = isTemplate(object) ? object.spec.spec : object.spec
  const i = (spec.devices.requests ?? []).findIndex(({ exactly }) => exactly?.adminAccess)
  return i < 0 ? undefined : root.field('spec', 'devices', 'requests').index(i).field('adminAccess')
}

/** Where a new allocation gives it. */
function grantedAt({ status }: ResourceClaim, old: ResourceClaim): Path | undefined {
  const grant = ({ allocation }: ResourceClaimStatus) =>
    (allocation?.devices.results ?? []).findIndex(({ adminAccess }) => adminAccess)
  const i = grant(old.status) < 0 ? grant(status) : -1
  return i < 0 ? undefined : root.field('status', 'allocation', 'devices', 'results').index(i).field('adminAccess')
}

async function* rightsMissing(
  { operation, object, old }: AdmissionRequest,
  authorizer: Authorizer,
): AsyncIterable<Problem> {
  const { kind, user, namespace } = operation
  const verb = operation.verb === 'patch' ? 'patch' : 'update'
  const [next, before] = [(object as ResourceClaim).status, (old as ResourceClaim).status]
  const lacks = async (asked: Pick<AccessRequest, 'verb' | 'subresource' | 'namespace' | 'name'>) => {
    const request = { user, group: kind.group, resource: kind.plural, ...asked }
    const { allowed, reason } = await authorizer.authorize(request)
    return allowed ? undefined : accessDenied({ ...request, kind }, reason).message
  }
  if (!sameJson(next.allocation, before.allocation) || !sameJson(next.reservedFor ?? [], before.reservedFor ?? [])) {
    const why = await lacks({ verb, subresource: 'binding', namespace: '', name: '' })
    if (why !== undefined)
      yield root
        .field('status')
        .forbidden(
          `changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="${verb}" permission: ${why}`,
        )
  }
  const node = nodeOf(next.allocation)
  const isNear = node !== undefined && isOnNode(user, node)
  const verbs = [...(isNear ? [`associated-node:${verb}`] : []), `arbitrary-node:${verb}`]
  // What goes with its device needs no right of its own.
  const { devices: _, ...rest } = next
  const left = {
    status: { ...rest, ...(before.devices && { devices: before.devices }) } as Mutable<ResourceClaimStatus>,
  }
  dropDeallocated(left, { status: before })
  for (const driver of changedDrivers(next.devices, left.status.devices)) {
    const asked = { subresource: 'driver', namespace, name: driver }
    const denials = await Promise.all(verbs.map(one => lacks({ verb: one, ...asked })))
    if (!denials.includes(undefined))
      yield root
        .field('status', 'devices')
        .forbidden(
          `changing status.devices requires resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission: ${denials[0]}`,
        )
  }
}

type States = ResourceClaimStatus['devices']

/** The drivers of which a state was added, changed or removed. */
function changedDrivers(next: States, before: States): string[] {
  const texts = (states: States) => new Map((states ?? []).map(one => [JSON.stringify(one), one]))
  const [now, then] = [texts(next), texts(before)]
  const changed = [...now, ...then].filter(([text]) => !now.has(text) || !then.has(text))
  return [...new Set(changed.map(([, { driver }]) => driver))].sort()
}

/** The node of an allocation that is for one node. */
function nodeOf(allocation: AllocationResult | undefined): string | undefined {
  const terms = allocation?.nodeSelector?.nodeSelectorTerms ?? []
  const [{ matchFields = [], matchExpressions = [] } = {}] = terms
  const [field] = matchFields
  const isOne = terms.length === 1 && !matchExpressions.length && matchFields.length === 1
  const isName = field?.key === 'metadata.name' && field.operator === 'In' && field.values?.length === 1
  return isOne && isName ? field.values![0] : undefined
}

/** Whether a user is the service account of a pod on the node. */
function isOnNode({ name, extra }: AccessRequest['user'], node: string): boolean {
  const names = extra?.[nodeNameKey] ?? []
  return name.startsWith('system:serviceaccount:') && names.length === 1 && names[0] === node
}
