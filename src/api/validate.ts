// Validates objects: by the rules for metadata, the rules of the kind, and the rules of its schema for single fields.
// Source: apimachinery pkg/api/validation (objectmeta.go), apiserver pkg/registry/rest (create.go, update.go).
import { immutable, named, namespaceErrors, notNegative, validateAnnotations, validateLabels } from './checks.ts'
import { type AnyKind, type KubeObject, parseApiVersion } from './kind.ts'
import { dnsSubdomainErrors, pathSegmentErrors, qualifiedNameErrors } from './names.ts'
import { type Path, type Problem, root } from './path.ts'
import { asJson, type JsonObject, type Node, type Struct } from './schema/node.ts'

type Meta = KubeObject['metadata']
type NameErrors = (name: string) => string[]

/** Yields the problems of a new object. */
export function* validateObject(kind: AnyKind, object: KubeObject): Iterable<Problem> {
  const problems = [...ownProblems(kind, object, undefined)]
  yield* problems
  // The rules of a kind may allow names that cannot be in a path.
  if (!problems.length) yield* validateNames(object.metadata, pathSegmentErrors, metadata)
}

/**
 * Yields the problems of an object that replaces `old`. A problem of metadata is yielded as often as Kubernetes reports
 * it, once for each check that covers it.
 */
export function* validateUpdate(kind: AnyKind, object: KubeObject, old: KubeObject): Iterable<Problem> {
  yield* validateMetaChange(kind, object.metadata, old.metadata)
  yield* ownProblems(kind, object, old)
  if (kind.validateUpdate) yield* kind.validateUpdate(object, old, root)
}

/** Yields the problems of a change of status. When the kind has a rule for it, only the status is checked. */
export function* validateStatusUpdate(kind: AnyKind, object: KubeObject, old: KubeObject): Iterable<Problem> {
  if (!kind.validateStatus) return yield* validateUpdate(kind, object, old)
  yield* validateMetaChange(kind, object.metadata, old.metadata)
  yield* kind.validateStatus(object, old, root)
}

function* validateMetaChange(kind: AnyKind, next: Meta, old: Meta): Iterable<Problem> {
  yield* validateMeta(kind, next, pathSegmentErrors)
  yield* validateMetaUpdate(next, old)
  yield* validateMetaUpdate(next, old)
}

/** Yields the problems by the rules of the kind and of its schema. */
export function* ownProblems(kind: AnyKind, object: KubeObject, old: KubeObject | undefined): Iterable<Problem> {
  yield* validateMeta(kind, object.metadata, kind.validateName ?? dnsSubdomainErrors)
  if (kind.finalizers !== 'any') yield* validateBareFinalizers(object.metadata.finalizers)
  if (!kind.explicit) {
    const problems: Problem[] = []
    validateStruct(kind.schema, asJson(object), root, problems)
    yield* problems
  }
  if (kind.validate) yield* kind.validate(object, root, old)
}

const metadata = root.field('metadata')

function* validateMeta(kind: AnyKind, meta: Meta, nameErrors: NameErrors): Iterable<Problem> {
  const { namespace, generation } = meta
  yield* validateNames(meta, nameErrors, metadata)
  if (kind.namespaced) {
    if (!namespace) yield metadata.field('namespace').required()
    else yield* named(namespaceErrors, namespace, metadata.field('namespace'))
  } else if (namespace) yield metadata.field('namespace').forbidden('not allowed on this type')
  yield* notNegative({ generation }, metadata)
  yield* validateCommon(meta, metadata)
}

/** Yields the problems of metadata within an object, where it needs neither a name nor a namespace. */
export function* validateInnerMeta(meta: Meta, at: Path): Iterable<Problem> {
  const { namespace, generation } = meta
  yield* validateNames({ ...meta, name: meta.name || 'unnamed' }, pathSegmentErrors, at)
  if (namespace) yield* named(namespaceErrors, namespace, at.field('namespace'))
  yield* notNegative({ generation }, at)
  yield* validateCommon(meta, at)
}

function* validateNames({ name, generateName }: Meta, nameErrors: NameErrors, at: Path): Iterable<Problem> {
  if (generateName)
    for (const error of nameErrors(asPrefix(generateName))) yield at.field('generateName').invalid(generateName, error)
  if (!name) yield at.field('name').required('name or generateName is required')
  else yield* named(nameErrors, name, at.field('name'))
}

/** A prefix may end with a dash, since a suffix follows. */
const asPrefix = (prefix: string) => (prefix.endsWith('-') ? `${prefix.slice(0, -1)}a` : prefix)

/** Yields the problems that are checked on every write. */
function* validateCommon(meta: Meta, at: Path): Iterable<Problem> {
  yield* validateLabels(meta.labels, at.field('labels'))
  yield* validateAnnotations(meta.annotations, at.field('annotations'))
  yield* validateOwners(meta, at.field('ownerReferences'))
  yield* validateFinalizers(meta.finalizers, at.field('finalizers'))
}

/** Yields the problems of finalizers. */
function* validateFinalizers(finalizers: readonly string[] | undefined, at: Path): Iterable<Problem> {
  for (const finalizer of finalizers ?? []) yield* named(qualifiedNameErrors, finalizer, at)
  if (['orphan', 'foregroundDeletion'].every(name => finalizers?.includes(name)))
    yield at.invalid(finalizers, 'finalizer orphan and foregroundDeletion cannot be both set')
}

const bareFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion']

/** Yields a problem for a finalizer without a domain that is not one of Kubernetes itself. */
export function* bareFinalizer(finalizer: string, at: Path): Iterable<Problem> {
  if (!finalizer.includes('/') && !bareFinalizers.includes(finalizer))
    yield at.invalid(finalizer, 'name is neither a standard finalizer name nor is it fully qualified')
}

function* validateBareFinalizers(finalizers: readonly string[] | undefined): Iterable<Problem> {
  for (const [i, finalizer] of (finalizers ?? []).entries())
    yield* bareFinalizer(finalizer, metadata.field('finalizers').index(i))
}

function* validateOwners(meta: Meta, at: Path): Iterable<Problem> {
  let controller: string | undefined
  for (const owner of meta.ownerReferences ?? []) {
    const { group, version } = parseApiVersion(owner.apiVersion)
    if (!version || version.includes('/'))
      yield at.field('apiVersion').invalid(owner.apiVersion, 'version must not be empty')
    for (const field of ['kind', 'name', 'uid'] as const)
      if (!owner[field]) yield at.field(field).invalid(owner[field], 'must not be empty')
    if (owner.kind === 'Event' && version === 'v1' && group === '')
      yield at.invalid(owner, `${group}/${version}, Kind=Event is disallowed from being an owner`)
    if (!owner.controller) continue
    if (controller === undefined) controller = `${owner.kind}/${owner.name}`
    else
      yield at.invalid(
        meta.ownerReferences,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.kind}/${owner.name}`,
      )
  }
}

/** Yields the problems of changed metadata. */
function* validateMetaUpdate(next: Meta, old: Meta): Iterable<Problem> {
  if (old.deletionTimestamp) {
    const added = (next.finalizers ?? []).filter(f => !(old.finalizers ?? []).includes(f))
    if (added.length)
      yield metadata
        .field('finalizers')
        .forbidden(
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map(f => JSON.stringify(f)).join(', ')}}`,
        )
  }
  for (const field of [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const) {
    if (next[field] !== old[field]) yield metadata.field(field).invalid(next[field], immutable)
  }
  yield* validateCommon(next, metadata)
}

/** A field with rules of its own, or with rules in its value. */
interface Checked {
  name: string
  node: Node
  /** Whether there are rules in its value. */
  deep: boolean
}

const checkedFields = new WeakMap<Struct, readonly Checked[]>()

/** The fields of a struct that have any rule. Most fields have none, and are skipped. */
function checkedOf(schema: Struct): readonly Checked[] {
  let list = checkedFields.get(schema)
  if (!list) {
    list = Object.entries(schema.fields)
      .map(([name, node]) => ({ name, node, deep: hasRules(node, new Set([schema])) }))
      .filter(({ node, deep }) => node.required || deep)
    checkedFields.set(schema, list)
  }
  return list
}

/** Whether a value has rules. A schema may contain itself, and within itself it counts as having some. */
function hasRules(node: Node, within: Set<Struct>): boolean {
  switch (node.type) {
    case 'struct': {
      const schema = node.struct!()
      if (within.has(schema)) return true
      const inner = new Set([...within, schema])
      return Object.values(schema.fields).some(field => field.required || hasRules(field, inner))
    }
    case 'list':
    case 'map':
      return hasRules(node.item!, within)
    case 'string':
      return node.enum !== undefined
    case 'int32':
    case 'int64':
      return node.min !== undefined || node.max !== undefined
    default:
      return false
  }
}

/** Adds the problems by rules of the schema: required fields, allowed values, bounds, keys of elements. */
function validateStruct(schema: Struct, value: JsonObject, at: Path, problems: Problem[]): void {
  for (const { name, node, deep } of checkedOf(schema)) {
    const field = value[name]
    if (node.required && isMissing(node, field)) {
      if (name !== 'metadata' || at !== root) problems.push(at.field(name).required())
    } else if (deep && field !== undefined && field !== null && (name !== 'metadata' || at !== root))
      validateNode(node, field, at.field(name), problems)
  }
}

const isMissing = (node: Node, value: unknown) =>
  value === undefined ||
  value === null ||
  (value === '' && node.type === 'string' && !node.optional && !node.mayBeEmpty) ||
  (Array.isArray(value) && value.length === 0 && !node.always)

function validateNode(node: Node, value: unknown, at: Path, problems: Problem[]): void {
  switch (node.type) {
    case 'struct':
      return validateStruct(node.struct!(), value as JsonObject, at, problems)
    case 'list':
      for (const [i, element] of (value as unknown[]).entries())
        validateNode(node.item!, element, at.index(i), problems)
      return
    case 'map':
      for (const [key, element] of Object.entries(value as JsonObject))
        validateNode(node.item!, element, at.key(key), problems)
      return
    case 'string':
      if (node.enum && value !== '' && !node.enum.includes(value as string))
        problems.push(at.notSupported(value, [...node.enum].sort()))
      return
    case 'int32':
    case 'int64':
      if (node.min !== undefined && (value as number) < node.min)
        problems.push(at.invalid(value, `must be greater than or equal to ${node.min}`))
      if (node.max !== undefined && (value as number) > node.max)
        problems.push(at.invalid(value, `must be less than or equal to ${node.max}`))
      return
  }
}
