// Decides which names a definition gets, and its conditions. Pure.
// Source: apiextensions-apiserver pkg/controller/{status/naming_controller,establish,apiapproval}.
import { sameJson } from '../../api/equal.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { type ApprovalState, approvalOf } from '../../kinds/apiextensions/approval.ts'
import { isTrue } from '../../kinds/apiextensions/conditions.ts'
import type { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import type {
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionStatus,
} from '../../kinds/apiextensions/definition-types.ts'

type Condition = CustomResourceDefinitionCondition
type Names = CustomResourceDefinitionNames
type Definition = CustomResourceDefinition

/** The names that are in use in a group: those of resources, and those of kinds. */
interface Taken {
  resources: ReadonlySet<string>
  kinds: ReadonlySet<string>
}

/** The accepted names of the other definitions in the same group. */
export function takenNames(definition: Definition, all: Iterable<Definition>): Taken {
  const [resources, kinds] = [new Set<string>(), new Set<string>()]
  for (const other of all) {
    if (other.spec.group !== definition.spec.group || other.metadata.uid === definition.metadata.uid) continue
    const { plural, singular, shortNames = [], kind, listKind } = other.status.acceptedNames
    for (const name of [plural, singular, ...shortNames]) if (name) resources.add(name)
    for (const name of [kind, listKind]) if (name) kinds.add(name)
  }
  return { resources, kinds }
}

interface Naming {
  accepted: Names
  conflict: { reason: string; message: string } | undefined
}

/** The names that a definition gets. It keeps its former name if the new one is in use. */
function acceptedNames(spec: Names, had: Names, taken: Taken): Naming {
  const accepted: Mutable<Names> = { ...had } as Mutable<Names>
  const messages: { reason: string; message: string }[] = []
  const inUse = (name: string) => `${JSON.stringify(name)} is already in use`
  const take = (field: 'plural' | 'singular' | 'kind' | 'listKind', names: ReadonlySet<string>, reason: string) => {
    const name = spec[field] ?? ''
    if (name && name !== had[field] && names.has(name)) messages.push({ reason, message: inUse(name) })
    else if (name) accepted[field] = name
    else if (field === 'singular' || field === 'listKind') delete accepted[field]
  }
  take('plural', taken.resources, 'PluralConflict')
  take('singular', taken.resources, 'SingularConflict')
  const clashes = (spec.shortNames ?? []).filter(name => !had.shortNames?.includes(name) && taken.resources.has(name))
  if (clashes.length) {
    const texts = clashes.map(inUse)
    messages.push({ reason: 'ShortNamesConflict', message: texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]` })
  } else if (spec.shortNames?.length) accepted.shortNames = [...spec.shortNames]
  else delete accepted.shortNames
  take('kind', taken.kinds, 'KindConflict')
  take('listKind', taken.kinds, 'ListKindConflict')
  if (spec.categories?.length) accepted.categories = [...spec.categories]
  else delete accepted.categories
  // As upstream, only the last conflict is reported.
  return { accepted, conflict: messages.at(-1) }
}

/** The status of a definition that is not being deleted. Returns the same object if nothing changes. */
export function planStatus(definition: Definition, taken: Taken, now: string): CustomResourceDefinitionStatus {
  const { spec, status } = definition
  const { accepted, conflict } = acceptedNames(spec.names, status.acceptedNames, taken)
  let conditions: readonly Condition[] = status.conditions ?? []
  const set = (condition: Omit<Condition, 'lastTransitionTime'>) =>
    (conditions = withCondition(conditions, condition, now))
  set(
    conflict
      ? { type: 'NamesAccepted', status: 'False', ...conflict }
      : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
  )
  // An established definition stays established, even if its new names are in conflict.
  if (!isTrue(definition, 'Established'))
    set(
      conflict
        ? { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }
        : {
            type: 'Established',
            status: 'True',
            reason: 'InitialNamesAccepted',
            message: 'the initial names have been accepted',
          },
    )
  const approval = approvalOf(definition)
  if (approval) set(approvalCondition(approval))
  const next = { ...status, acceptedNames: accepted, conditions }
  return sameJson(next, status) ? status : next
}

function approvalCondition({ state, message }: ApprovalState): Omit<Condition, 'lastTransitionTime'> {
  const reasons = {
    missing: 'MissingAnnotation',
    invalid: 'InvalidAnnotation',
    bypassed: 'UnapprovedAnnotation',
    approved: 'ApprovedAnnotation',
  } as const
  return {
    type: 'KubernetesAPIApprovalPolicyConformant',
    status: state === 'approved' ? 'True' : 'False',
    reason: reasons[state],
    message,
  }
}

/** Returns the conditions with one of them set. Its transition time changes only if its status does. */
export function withCondition(
  conditions: readonly Condition[],
  condition: Omit<Condition, 'lastTransitionTime'>,
  now: string,
): Mutable<Condition>[] {
  const before = conditions.find(({ type }) => type === condition.type)
  const { type, status, ...rest } = condition
  const next: Mutable<Condition> = {
    type,
    status,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : now,
    ...rest,
  }
  return before
    ? conditions.map(one => (one === before ? next : { ...one }))
    : [...conditions.map(one => ({ ...one })), next]
}
