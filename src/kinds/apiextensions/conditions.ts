// Reads the conditions of definitions.
import type { CustomResourceDefinition } from './customresourcedefinition.ts'
import type { CustomResourceDefinitionCondition } from './definition-types.ts'

export const conditionOf = (
  { status }: CustomResourceDefinition,
  type: string,
): CustomResourceDefinitionCondition | undefined => status.conditions?.find(condition => condition.type === type)

export const isTrue = (definition: CustomResourceDefinition, type: string): boolean =>
  conditionOf(definition, type)?.status === 'True'
