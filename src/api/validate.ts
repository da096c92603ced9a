// Checks every object gets: what the schema says of each field alone, and the rules for metadata.
// Source: apimachinery pkg/api/validation (objectmeta.go), pkg/util/validation.
import type { AnyKind, KubeObject } from './kind.ts'
import { type Path, type Problem, root } from './path.ts'
import type { DeepReadonly, JsonObject, Node, Struct } from './schema/node.ts'

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const patterns = {
  label: new RegExp(`^${label}$`),
  subdomain: new RegExp(`^${label}(\\.${label})*$`),
  label1035: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
  qualified: /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/,
  labelValue: /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/,
}

const tooLong = (max: number) => `must be no more than ${max} ${max === 1 ? 'byte' : 'bytes'}`

/** What is wrong with a DNS label (RFC 1123), as Kubernetes words it. */
export function dnsLabelErrors(name: string): string[] {
  const errors: string[] = []
  if (name.length > 63) errors.push(tooLong(63))
  if (!patterns.label.test(name)) {
    errors.push(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    )
  }
  return errors
}

/** What is wrong with a DNS label that starts with a letter (RFC 1035). */
export function dns1035Errors(name: string): string[] {
  const errors: string[] = []
  if (name.length > 63) errors.push(tooLong(63))
  if (!patterns.label1035.test(name)) {
    errors.push(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    )
  }
  return errors
}

/** What is wrong with a DNS subdomain (RFC 1123). */
export function dnsSubdomainErrors(name: string): string[] {
  const errors: string[] = []
  if (name.length > 253) errors.push(tooLong(253))
  if (!patterns.subdomain.test(name)) {
    errors.push(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )
  }
  return errors
}

/** What is wrong with a name that is only a path segment (RBAC). */
export function pathSegmentErrors(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter(c => name.includes(c)).map(c => `may not contain '${c}'`)
}

/** What is wrong with a label key, annotation key or finalizer. */
export function qualifiedNameErrors(key: string): string[] {
  const errors: string[] = []
  const parts = key.split('/')
  const name = parts.at(-1)!
  if (parts.length > 2) {
    return [
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ]
  }
  if (parts.length === 2) {
    if (parts[0] === '') errors.push('prefix part must be non-empty')
    else errors.push(...dnsSubdomainErrors(parts[0]!).map(e => `prefix part ${e}`))
  }
  if (name === '') errors.push('name part must be non-empty')
  else if (name.length > 63) errors.push(`name part ${tooLong(63)}`)
  if (!patterns.qualified.test(name)) {
    errors.push(
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    )
  }
  return errors
}

/** What is wrong with a label value. */
export function labelValueErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 63) errors.push(tooLong(63))
  if (!patterns.labelValue.test(value)) {
    errors.push(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    )
  }
  return errors
}

export function* validateLabels(labels: Readonly<Record<string, string>> | undefined, at: Path): Iterable<Problem> {
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const error of qualifiedNameErrors(key)) yield at.invalid(key, error)
    for (const error of labelValueErrors(value)) yield at.invalid(value, error)
  }
}

const maxAnnotationBytes = 256 * 1024

/** Everything that may be wrong with an object by itself. */
export function* validateObject(kind: AnyKind, object: DeepReadonly<KubeObject>): Iterable<Problem> {
  yield* validateMeta(kind, object.metadata)
  const problems: Problem[] = []
  validateStruct(kind.schema, object as unknown as JsonObject, root, problems)
  yield* problems
  if (kind.validate) yield* kind.validate(object, root)
}

function* validateMeta(kind: AnyKind, meta: DeepReadonly<KubeObject['metadata']>): Iterable<Problem> {
  const at = root.field('metadata')
  const nameErrors = kind.validateName ?? dnsSubdomainErrors
  if (meta.generateName)
    for (const error of nameErrors(`${meta.generateName}x`.slice(0, 253)))
      yield at.field('generateName').invalid(meta.generateName, error)
  if (!meta.name) yield at.field('name').required('name or generateName is required')
  else for (const error of nameErrors(meta.name)) yield at.field('name').invalid(meta.name, error)
  if (kind.namespaced) {
    if (!meta.namespace) yield at.field('namespace').required()
    else for (const error of dnsLabelErrors(meta.namespace)) yield at.field('namespace').invalid(meta.namespace, error)
  } else if (meta.namespace) yield at.field('namespace').forbidden('not allowed on this type')
  yield* validateLabels(meta.labels, at.field('labels'))
  let annotationBytes = 0
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    for (const error of qualifiedNameErrors(key.toLowerCase())) yield at.field('annotations').invalid(key, error)
    annotationBytes += key.length + value.length
  }
  if (annotationBytes > maxAnnotationBytes) yield at.field('annotations').tooLong(maxAnnotationBytes)
  for (const finalizer of meta.finalizers ?? []) {
    for (const error of qualifiedNameErrors(finalizer)) yield at.field('finalizers').invalid(finalizer, error)
  }
  yield* validateOwners(meta, at.field('ownerReferences'))
}

function* validateOwners(meta: DeepReadonly<KubeObject['metadata']>, at: Path): Iterable<Problem> {
  let controller: string | undefined
  for (const [i, owner] of (meta.ownerReferences ?? []).entries()) {
    if (!owner.apiVersion) yield at.index(i).field('apiVersion').invalid(owner.apiVersion, 'version must not be empty')
    if (!owner.kind) yield at.index(i).field('kind').invalid(owner.kind, 'kind must not be empty')
    if (!owner.name) yield at.index(i).field('name').invalid(owner.name, 'name must not be empty')
    if (!owner.uid) yield at.index(i).field('uid').invalid(owner.uid, 'uid must not be empty')
    if (!owner.controller) continue
    if (controller !== undefined) {
      yield at.invalid(
        meta.ownerReferences,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.kind}/${owner.name}`,
      )
    }
    controller = `${owner.kind}/${owner.name}`
  }
}

/** A field that may have something wrong with it, by its own rules or those of what is in it. */
interface Checked {
  name: string
  node: Node
  /** There are rules within. */
  deep: boolean
}

const checkedFields = new WeakMap<Struct, readonly Checked[]>()

/** The fields of a struct that the schema has any rule about: most have none and are never looked at. */
function checkedOf(schema: Struct): readonly Checked[] {
  let list = checkedFields.get(schema)
  if (!list) {
    // Schemas may contain themselves: within itself a struct counts as having rules.
    checkedFields.set(schema, [])
    list = Object.entries(schema.fields)
      .map(([name, node]) => ({ name, node, deep: hasRules(node, new Set([schema])) }))
      .filter(({ node, deep }) => node.required || deep)
    checkedFields.set(schema, list)
  }
  return list
}

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

/** What the schema itself says: required fields, allowed values, bounds, element keys. */
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

const immutable = 'field is immutable'

/** Metadata that may not change on an update. */
export function* validateMetaUpdate(
  next: DeepReadonly<KubeObject['metadata']>,
  old: DeepReadonly<KubeObject['metadata']>,
): Iterable<Problem> {
  const at = root.field('metadata')
  for (const field of [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const) {
    if (next[field] !== old[field]) yield at.field(field).invalid(next[field], immutable)
  }
  if (old.deletionTimestamp) {
    const added = (next.finalizers ?? []).filter(f => !(old.finalizers ?? []).includes(f))
    if (added.length)
      yield at
        .field('finalizers')
        .forbidden(
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map(f => JSON.stringify(f)).join(', ')}}`,
        )
  }
}
