// The priority levels and flow schemas that every cluster has, and whose specs nobody changes: `exempt` for requests
// that never wait, `catch-all` for those that nothing else picks.
// Source: pkg/apis/flowcontrol/internalbootstrap, apiserver pkg/apis/flowcontrol/bootstrap/default.go.
import { sameJson } from '../../api/equal.ts'
import type { Problems } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import type { Path } from '../../api/path.ts'
import { decode } from '../../api/schema/decode.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { FlowSchemaSpec } from './flowschemaspec.ts'
import { PriorityLevelConfigurationSpec } from './level-types.ts'

/** Specs by name. */
export const fixedLevels: Readonly<Record<string, JsonObject>> = {
  exempt: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  'catch-all': {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
  },
}

const anything = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
}
const groups = (...names: string[]) => names.map(name => ({ kind: 'Group', group: { name } }))

/** Specs by name. */
export const fixedSchemas: Readonly<Record<string, JsonObject>> = {
  exempt: {
    priorityLevelConfiguration: { name: 'exempt' },
    matchingPrecedence: 1,
    rules: [{ subjects: groups('system:masters'), ...anything }],
  },
  'catch-all': {
    priorityLevelConfiguration: { name: 'catch-all' },
    matchingPrecedence: 10_000,
    distinguisherMethod: { type: 'ByUser' },
    rules: [{ subjects: groups('system:unauthenticated', 'system:authenticated'), ...anything }],
  },
}

export function* validateFixedSchema(name: string, spec: FlowSchemaSpec, at: Path): Problems {
  const fixed = Object.hasOwn(fixedSchemas, name) && decode(FlowSchemaSpec, fixedSchemas[name], { defaults: true })
  if (fixed && !sameJson(spec, fixed))
    yield at.invalid(goStruct(FlowSchemaSpec, spec), `spec of '${name}' must equal the fixed value`)
}

/** How much the exempt level lends to others may be changed. */
export function* validateFixedLevel(name: string, spec: PriorityLevelConfigurationSpec, at: Path): Problems {
  const fixed =
    Object.hasOwn(fixedLevels, name) && decode(PriorityLevelConfigurationSpec, fixedLevels[name], { defaults: true })
  if (!fixed) return
  const given = name === 'exempt' ? { ...spec, exempt: fixed.exempt } : spec
  const but = name === 'exempt' ? " except the 'spec.exempt' field" : ''
  if (!sameJson(given, fixed))
    yield at.invalid(
      goStruct(PriorityLevelConfigurationSpec, spec),
      `spec of '${name}'${but} must equal the fixed value`,
    )
}
