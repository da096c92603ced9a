// OwnerReferencesPermissionEnforcement: who changes the owners of an object must be allowed to delete it, since the
// garbage collector may do that then; and who makes an owner wait for a dependent must be allowed to set finalizers of
// the owner. It is off unless somebody enables it. Source: plugin/pkg/admission/gc/gc_admission.go.
import { sameJson } from '../../api/equal.ts'
import { parseApiVersion } from '../../api/kind.ts'
import type { AccessRequest, Authorizer } from '../authz/authorizer.ts'
import type { Catalog } from '../catalog.ts'
import { forbidden } from '../errors.ts'
import type { AdmissionPlugin } from './chain.ts'

export function ownerPermissions(catalog: Catalog, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'OwnerReferencesPermissionEnforcement',
    async validate({ type, operation, object, old }) {
      if (type !== 'CREATE' && type !== 'UPDATE') return
      const { kind, subresource, namespace, name, user } = operation
      // The kubelet and others report status, and send the owners along.
      if (kind.group === '' && kind.plural === 'pods' && subresource === 'status') return
      const [next, before] = [object?.metadata.ownerReferences ?? [], old?.metadata.ownerReferences ?? []]
      if (sameJson(next, before)) return
      const demand = async (asked: Partial<AccessRequest>, why: string) => {
        const request = { user, group: kind.group, resource: kind.plural, subresource, namespace, name, verb: '' }
        const { allowed, reason } = await authorizer.authorize({ ...request, ...asked })
        if (!allowed) throw forbidden(kind, name, `${why}: ${reason}, <nil>`)
      }
      if (type !== 'CREATE') await demand({ verb: 'delete' }, "cannot set an ownerRef on a resource you can't delete")
      const blocked = new Set(before.filter(ref => ref.blockOwnerDeletion).map(ref => ref.uid))
      for (const ref of next) {
        if (!ref.blockOwnerDeletion || blocked.has(ref.uid)) continue
        const { group, version } = parseApiVersion(ref.apiVersion)
        const owner = catalog.all.find(
          k => k.group === group && k.version === version && k.kind === ref.kind && k.plural,
        )
        if (!owner)
          throw forbidden(
            kind,
            name,
            `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${ref.apiVersion} Kind ${ref.kind}: no matches for kind ${JSON.stringify(ref.kind)} in version ${JSON.stringify(ref.apiVersion)}`,
          )
        await demand(
          {
            verb: 'update',
            group,
            resource: owner.plural,
            subresource: 'finalizers',
            namespace: owner.namespaced ? namespace : '',
            name: ref.name,
          },
          "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on",
        )
      }
    },
  }
}
