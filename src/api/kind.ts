// A kind: everything the engine needs for one sort of object, in one value. API server, client and controllers all use
// it. Kinds of extensions, such as metrics.k8s.io, are defined in the same way as built-in ones.
import type { Path, Problem } from './path.ts'
import { string, struct } from './schema/build.ts'
import type { Fields, Infer, Mutable, Struct, JsonObject } from './schema/node.ts'
import { ObjectMeta } from './meta.ts'

export type { Draft, Of } from './schema/node.ts'

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const
export type Verb = (typeof allVerbs)[number]

/** The fields that every object has. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
}

/** An object as a KubeObject whose type does not matter any more. It is the same value, not a copy. */
export const asObject = (value: object): Mutable<KubeObject> => value as Mutable<KubeObject>

/** A column of `kubectl get`. `value` is a JSONPath without braces, such as `.spec.replicas`, or computes the cell. */
export interface Column<T = KubeObject> {
  name: string
  type: 'string' | 'integer' | 'date' | 'boolean' | 'number'
  value: string | ((object: T, now: number) => string | number | boolean | null)
  /** Whether the column is shown only with -o wide. */
  wide?: boolean
  doc?: string
  /** OpenAPI format of the cell. */
  format?: string
}

/** JSONPaths of the fields that the subresource scale shows and changes. */
export interface ScalePaths {
  spec: string
  status: string
  /** The path of a label selector, as text or as a LabelSelector; '' for a kind that has none. */
  selector: string
}

interface KindOptions<F extends Fields> {
  group: string
  version: string
  kind: string
  /** The plural in paths; '' for kinds that are only bodies, such as Scale and Eviction. */
  plural: string
  scope: 'Namespaced' | 'Cluster'
  doc: string
  fields: F
  singular?: string
  shortNames?: readonly string[]
  categories?: readonly string[]
  verbs?: readonly Verb[]
  /** Names of subresources other than `status` and `scale`. */
  subresources?: readonly string[]
  /**
   * Whether it has a subresource status. Then spec and status are written apart, and generation counts spec changes.
   */
  status?: boolean
  scale?: ScalePaths
  /** Whether metadata.generation counts changes other than of metadata and status: from 1, or with `changes` from 0. */
  generation?: boolean | 'changes'
  /** Paths of fields that no manager owns. */
  unowned?: readonly (readonly string[])[]
  /** Fields of metadata that a write to the subresource status does not change. */
  statusKeeps?: readonly (keyof ObjectMeta)[]
  /** Set if a deletion without a policy orphans dependents, perhaps with a warning to the client. */
  orphansByDefault?: { warning?: string }
  /** Whether an update of an object that does not exist creates it. */
  createOnUpdate?: boolean
  /** Whether `defaults` depend on what `prepare` sets, so that they are computed again after it. */
  completesAgain?: boolean
  /** Whether something other than metadata.finalizers keeps a terminating object stored. */
  isHeld?(object: Infer<F> & KubeObject): boolean
  /** Records in a terminating object that its deletion has begun, if more than its deletion timestamp shows that. */
  terminating?(object: Mutable<Infer<F> & KubeObject>): void
  /** Yields problems for which an object is not refused. The client gets them as Warning headers. */
  warnings?(object: Infer<F> & KubeObject, old: (Infer<F> & KubeObject) | undefined, at: Path): Iterable<string>
  /** The conditions of a table row, such as that the object is completed, so that clients may hide it. */
  rowConditions?(object: Infer<F> & KubeObject): JsonObject[] | undefined
  /** Why the kind should not be used any more. It is sent as a Warning header with every response. */
  deprecated?: string
  /** Whether a deletion returns the object instead of a Status. */
  returnsDeleted?: boolean
  /** Whether an update without a resourceVersion is refused. */
  conditionalUpdate?: boolean
  /** Makes deletion graceful: returns how many seconds an object has to terminate, or 0 to remove it at once. */
  gracePeriod?(object: Infer<F> & KubeObject, asked: number | undefined): number
  columns?: readonly Column<Infer<F> & KubeObject>[]
  /** False for a kind whose table has no column with the age. */
  age?: boolean
  /** Fields for field selectors, in addition to metadata.name and metadata.namespace. */
  selectable?: Readonly<Record<string, (object: Infer<F> & KubeObject) => string>>
  /** The message for another field in a field selector, if it is not the usual one. */
  unknownSelector?(field: string): string
  /** Sets defaults that depend on other fields, in place. Plain ones are in the schema. */
  defaults?(object: Mutable<Infer<F> & KubeObject>): void
  /**
   * Sets what only the server may set, in place, on creation (`old` is undefined) and on update. It may warn even if
   * the object is refused later.
   */
  prepare?(
    object: Mutable<Infer<F> & KubeObject>,
    old: (Infer<F> & KubeObject) | undefined,
    now: string,
    warn: (text: string) => void,
  ): void
  /** Whether a new object keeps the status that the client sent. */
  keepsStatus?: boolean
  /** Whether `validate` checks all fields, so that rules of the schema are not checked. */
  explicit?: boolean
  /** With `any`, finalizers without a domain may have other names than those of Kubernetes. */
  finalizers?: 'any'
  /** Yields the problems of an object that is new or, with `old`, changed. The schema has checked each field alone. */
  validate?(object: Infer<F> & KubeObject, at: Path, old: (Infer<F> & KubeObject) | undefined): Iterable<Problem>
  /** Yields the problems of a change, after `validate`. */
  validateUpdate?(object: Infer<F> & KubeObject, old: Infer<F> & KubeObject, at: Path): Iterable<Problem>
  /** Yields the problems of a change through the subresource status, instead of `validate` and `validateUpdate`. */
  validateStatus?(object: Infer<F> & KubeObject, old: Infer<F> & KubeObject, at: Path): Iterable<Problem>
  /** Set for a kind whose objects are stored as another kind. */
  view?: KindView
  /** Set for a kind whose objects may be stored in another version, or by an older schema. */
  versions?: KindVersions
  /** Changes whenever a document about the kind may. Built-in kinds have none, since they never change. */
  fingerprint?: string
  /** Whether users define the kind. Its objects have no encoding in protobuf, and no strategic merge patch. */
  custom?: boolean
  /** Whether an extension server has the kind. Of its objects only the metadata is read, and they are not stored here. */
  remote?: boolean
  /** Whether no object can be created any more, because the definition of the kind is being deleted. */
  closed?: boolean
  /** The kind of lists, if it is not the kind followed by List. */
  listKind?: string
  /** Returns the problems of a name, if it must be anything else than a DNS subdomain. */
  validateName?(name: string): string[]
  /** Whether generateName is taken as the name itself, without a random suffix. */
  bareGenerateName?: boolean
}

/**
 * How one kind shows the objects of another. Both functions take and return whole objects, and change nothing in place.
 */
export interface KindView {
  of: AnyKind
  toStored(object: KubeObject): object
  fromStored(object: KubeObject): object
  /** For each field in a field selector, its name in the stored kind. */
  fields: Readonly<Record<string, string>>
}

/**
 * How the objects of a kind that has several versions are stored. Both functions return new objects, or the same ones
 * where nothing is to be changed, and change nothing in place.
 */
export interface KindVersions {
  /** Stored objects, of any version, as objects of this kind. The order is kept. */
  fromStored(objects: readonly KubeObject[]): readonly KubeObject[] | Promise<readonly KubeObject[]>
  /** An object of this kind as it is to be stored. */
  toStored(object: Mutable<KubeObject>): Mutable<KubeObject> | Promise<Mutable<KubeObject>>
}

export interface Kind<T extends KubeObject = KubeObject>
  extends Omit<
    KindOptions<Fields>,
    | 'fields'
    | 'columns'
    | 'selectable'
    | 'gracePeriod'
    | 'defaults'
    | 'prepare'
    | 'validate'
    | 'validateUpdate'
    | 'validateStatus'
    | 'isHeld'
    | 'terminating'
    | 'rowConditions'
    | 'warnings'
  > {
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly verbs: readonly Verb[]
  readonly subresources: readonly string[]
  readonly status: boolean
  readonly namespaced: boolean
  readonly apiVersion: string
  readonly schema: Struct<T>
  readonly columns: readonly Column<T>[]
  readonly selectable: Readonly<Record<string, (object: T) => string>>
  gracePeriod?(object: T, asked: number | undefined): number
  defaults?(object: Mutable<T>): void
  prepare?(object: Mutable<T>, old: T | undefined, now: string, warn: (text: string) => void): void
  validate?(object: T, at: Path, old: T | undefined): Iterable<Problem>
  validateUpdate?(object: T, old: T, at: Path): Iterable<Problem>
  validateStatus?(object: T, old: T, at: Path): Iterable<Problem>
  isHeld?(object: T): boolean
  terminating?(object: Mutable<T>): void
  rowConditions?(object: T): JsonObject[] | undefined
  warnings?(object: T, old: T | undefined, at: Path): Iterable<string>
}

/** A kind whose type of objects does not matter. */
// biome-ignore lint: variance makes a common supertype impossible
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyKind = Kind<any>

/** The type of a kind's objects. */
export type ObjectOf<K> = K extends Kind<infer T> ? T : never

/** Joins group and version: `apps/v1`, or `v1` for the core group. */
export const apiVersionOf = (group: string, version: string): string => (group ? `${group}/${version}` : version)

/** Splits `apps/v1`, or `v1` of the core group. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/')
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}

/** Defines a kind. apiVersion, kind and metadata are added to its fields. */
export function defineKind<const F extends Fields>(options: KindOptions<F>): Kind<Infer<F> & KubeObject> {
  type T = Infer<F> & KubeObject
  const { fields, ...rest } = options
  const schema = struct(schemaName(options.group, options.version, options.kind), options.doc, {
    kind: string({ doc: 'Kind of the object, in CamelCase. Cannot be changed.' }),
    apiVersion: string({
      doc: 'API group and version of the object, such as apps/v1. The core group is written as the version alone, such as v1.',
    }),
    metadata: ObjectMeta.value({
      proto: 1,
      doc: 'Standard metadata of the object: its name, namespace, labels and annotations, and what the server keeps about it.',
    }),
    ...fields,
  }) as Struct<T>
  return {
    ...rest,
    singular: options.singular ?? options.kind.toLowerCase(),
    shortNames: options.shortNames ?? [],
    categories: options.categories ?? [],
    verbs: options.verbs ?? allVerbs,
    subresources: options.subresources ?? [],
    status: options.status ?? false,
    namespaced: options.scope === 'Namespaced',
    apiVersion: apiVersionOf(options.group, options.version),
    columns: options.columns ?? [],
    selectable: options.selectable ?? {},
    schema,
  } as Kind<T>
}

/** The name of a kind's schema, such as `core.v1.Pod`. The package is the first word of the group. */
function schemaName(group: string, version: string, kind: string): string {
  return `${group === '' ? 'core' : group.split('.')[0]}.${version}.${kind}`
}
