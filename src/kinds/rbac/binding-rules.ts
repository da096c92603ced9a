// What RoleBinding and ClusterRoleBinding have in common: columns, defaults, checks, and that the role cannot change.
// Source: pkg/apis/rbac/validation.
import { sameJson } from '../../api/equal.ts'
import { present, requiredName } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import type { Column, KubeObject } from '../../api/kind.ts'
import type { Path, Problem } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { dnsSubdomainErrors, pathSegmentErrors } from '../../api/names.ts'
import { RoleRef, type Subject } from './types.ts'

type AnyBinding = KubeObject & { readonly subjects?: readonly Subject[]; readonly roleRef: RoleRef }

const subjectColumn = (name: string, kind: string): Column<AnyBinding> => ({
  name,
  type: 'string',
  wide: true,
  value: binding =>
    (binding.subjects ?? [])
      .filter(s => s.kind === kind)
      .map(s => (s.namespace ? `${s.namespace}/${s.name}` : s.name))
      .join(', '),
})

const columns: readonly Column<AnyBinding>[] = [
  { name: 'Role', type: 'string', value: b => `${b.roleRef.kind}/${b.roleRef.name}` },
  subjectColumn('Users', 'User'),
  subjectColumn('Groups', 'Group'),
  subjectColumn('ServiceAccounts', 'ServiceAccount'),
]

const group = 'rbac.authorization.k8s.io'

function* validateSubject(
  { kind, apiGroup = '', name, namespace }: Subject,
  namespaced: boolean,
  at: Path,
): Iterable<Problem> {
  yield* present(name, at.field('name'))
  switch (kind) {
    case 'ServiceAccount':
      for (const error of name ? dnsSubdomainErrors(name) : []) yield at.field('name').invalid(name, error)
      if (apiGroup !== '') yield at.field('apiGroup').notSupported(apiGroup, [''])
      // A RoleBinding's own namespace is the one that is meant.
      if (!namespaced && !namespace) yield at.field('namespace').required()
      return
    case 'User':
    case 'Group':
      if (apiGroup !== group) yield at.field('apiGroup').notSupported(apiGroup, [group])
      return
    default:
      yield at.field('kind').notSupported(kind, ['ServiceAccount', 'User', 'Group'])
  }
}

export const bindingRules = {
  columns,
  explicit: true,
  validateName: pathSegmentErrors,
  defaults(binding: Mutable<AnyBinding>): void {
    for (const s of binding.subjects ?? []) if (s.kind !== 'ServiceAccount') s.apiGroup ??= group
  },
  *validate(binding: AnyBinding, at: Path): Iterable<Problem> {
    const { roleRef, subjects = [] } = binding
    const namespaced = binding.kind === 'RoleBinding'
    const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']
    if (roleRef.apiGroup !== group) yield at.field('roleRef', 'apiGroup').notSupported(roleRef.apiGroup, [group])
    if (!kinds.includes(roleRef.kind)) yield at.field('roleRef', 'kind').notSupported(roleRef.kind, kinds)
    yield* requiredName(pathSegmentErrors, roleRef.name, at.field('roleRef', 'name'))
    for (const [i, subject] of subjects.entries())
      yield* validateSubject(subject, namespaced, at.field('subjects').index(i))
  },
  *validateUpdate(next: AnyBinding, old: AnyBinding, at: Path): Iterable<Problem> {
    if (!sameJson(next.roleRef, old.roleRef))
      yield at.field('roleRef').invalid(goStruct(RoleRef, next.roleRef), 'cannot change roleRef')
  },
}
