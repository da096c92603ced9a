// What RoleBinding and ClusterRoleBinding have in common: columns, defaults, and that the role cannot change.
import type { Column, KubeObject } from '../../api/kind.ts'
import type { Path, Problem } from '../../api/path.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { pathSegmentErrors } from '../../api/validate.ts'
import type { RoleRef, Subject } from './types.ts'

type AnyBinding = KubeObject & { subjects?: Subject[]; roleRef: RoleRef }

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

export const bindingRules = {
  columns,
  validateName: pathSegmentErrors,
  defaults(binding: AnyBinding): void {
    for (const s of binding.subjects ?? []) if (s.kind !== 'ServiceAccount') s.apiGroup ??= 'rbac.authorization.k8s.io'
  },
  *validateUpdate(next: DeepReadonly<AnyBinding>, old: DeepReadonly<AnyBinding>, at: Path): Iterable<Problem> {
    if (JSON.stringify(next.roleRef) !== JSON.stringify(old.roleRef))
      yield at.field('roleRef').invalid(next.roleRef, 'cannot change roleRef')
  },
}
