// A kind: everything the engine needs to know about one sort of object, in one value. The API server, the
// client, controllers and kubectl all work from it; built-in kinds and custom ones are the same thing.
import type { Path, Problem } from './path.ts'
import { string, struct } from './schema/build.ts'
import type { Fields, Infer, Mutable, Struct, JsonObject } from './schema/node.ts'
import { ObjectMeta } from './meta.ts'

export type { Draft, Of } from './schema/node.ts'

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const
type Verb = (typeof allVerbs)[number]

/** What every object has. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
}

/** JSON that is an object, for where its shape is no question any more: the same value, not a copy. */
export const asObject = (value: object): Mutable<KubeObject> => value as Mutable<KubeObject>

/** One column of `kubectl get`. `value` is a JSONPath without braces (`.spec.replicas`) or computes the cell. */
export interface Column<T = KubeObject> {
  name: string
  type: 'string' | 'integer' | 'date' | 'boolean' | 'number'
  value: string | ((object: T, now: number) => string | number | boolean | null)
  /** Above 0: shown only with -o wide. */
  wide?: boolean
  doc?: string
  /** OpenAPI format of the cell. */
  format?: string
}

/** Where /scale finds its numbers: JSONPaths. */
interface ScalePaths {
  spec: string
  status: string
  /** A label selector in text form, or a LabelSelector object. */
  selector: string
}

interface KindOptions<F extends Fields> {
  group: string
  version: string
  kind: string
  /** '' for kinds that are only bodies (Scale, Eviction) and have no path of their own. */
  plural: string
  scope: 'Namespaced' | 'Cluster'
  doc: string
  fields: F
  singular?: string
  shortNames?: readonly string[]
  categories?: readonly string[]
  verbs?: readonly Verb[]
  /** Subresources besides `status` and `scale`, by name. */
  subresources?: readonly string[]
  /** It has a /status subresource: spec and status are written separately, and generation counts spec changes. */
  status?: boolean
  scale?: ScalePaths
  /** metadata.generation counts changes of everything but metadata and status: from 1, or from 0 (`changes`). */
  generation?: boolean | 'changes'
  /** Fields that nobody owns, as paths of names. */
  unowned?: readonly (readonly string[])[]
  /** Metadata that a write through /status does not change. */
  statusKeeps?: readonly (keyof ObjectMeta)[]
  /** A delete that names no policy leaves the dependents, and says this, if anything, to the client. */
  orphansByDefault?: { warning?: string }
  /** PUT of an object that is not there creates it. */
  createOnUpdate?: boolean
  /** What is prepared on creation has defaults that follow from it. */
  completesAgain?: boolean
  /** Whether something besides metadata.finalizers holds an object in deletion back. */
  isHeld?(object: Infer<F> & KubeObject): boolean
  /** Notes in the object that its deletion has begun, where it says so by more than its deletion timestamp. */
  terminating?(object: Mutable<Infer<F> & KubeObject>): void
  /** What a client should mend though the object is accepted; sent as Warning headers. */
  warnings?(object: Infer<F> & KubeObject, old: (Infer<F> & KubeObject) | undefined, at: Path): Iterable<string>
  /** What a row of a table says of its object besides the cells: that it is done, so that clients may leave it out. */
  rowConditions?(object: Infer<F> & KubeObject): JsonObject[] | undefined
  /** Why clients should ask for another kind; a Warning header of every answer. */
  deprecated?: string
  /** A delete answers with the object instead of a Status. */
  returnsDeleted?: boolean
  /** PUT without a resourceVersion is refused. */
  conditionalUpdate?: boolean
  /** Deletion in two steps: how many seconds the object has to end in order; 0 is at once. */
  gracePeriod?(object: Infer<F> & KubeObject, asked: number | undefined): number
  columns?: readonly Column<Infer<F> & KubeObject>[]
  /** False for a kind whose table has no column for the age. */
  age?: boolean
  /** Fields that field selectors may name besides metadata.name and metadata.namespace. */
  selectable?: Readonly<Record<string, (object: Infer<F> & KubeObject) => string>>
  /** What is said of a field that selectors may not name, where it is worded differently. */
  unknownSelector?(field: string): string
  /** Defaults that depend on other fields; the schema holds the plain ones. Changes the object in place. */
  defaults?(object: Mutable<Infer<F> & KubeObject>): void
  /**
   * Sets what only the server may set, on create (`old` undefined) and update. Changes `object` in place. It may warn,
   * whether the object is accepted or not.
   */
  prepare?(
    object: Mutable<Infer<F> & KubeObject>,
    old: (Infer<F> & KubeObject) | undefined,
    now: string,
    warn: (text: string) => void,
  ): void
  /** A new object keeps the status it comes with. */
  keepsStatus?: boolean
  /** `validate` checks every field by itself; the schema only describes them. */
  explicit?: boolean
  /** `any`: finalizers without a domain may be any, not only those that Kubernetes knows. */
  finalizers?: 'any'
  /** What is wrong with an object, new or (with `old`) changed; the schema has already checked each field alone. */
  validate?(object: Infer<F> & KubeObject, at: Path, old: (Infer<F> & KubeObject) | undefined): Iterable<Problem>
  /** What may not change, after `validate`. */
  validateUpdate?(object: Infer<F> & KubeObject, old: Infer<F> & KubeObject, at: Path): Iterable<Problem>
  /** What is wrong with a change through /status, in the place of `validate` and `validateUpdate`. */
  validateStatus?(object: Infer<F> & KubeObject, old: Infer<F> & KubeObject, at: Path): Iterable<Problem>
  /** The kind whose objects these are in other words; they are stored as that kind. */
  view?: KindView
  /** Checks of a name beyond a DNS subdomain; returns what is wrong with it. */
  validateName?(name: string): string[]
  /** A name that is asked for by generateName is that and no more. */
  bareGenerateName?: boolean
}

/** How one kind shows the objects of another. Both directions get and give whole objects and change nothing in place. */
export interface KindView {
  of: AnyKind
  toStored(object: KubeObject): object
  fromStored(object: KubeObject): object
  /** Names of fields in field selectors, as the stored kind has them. */
  fields: Readonly<Record<string, string>>
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

/** Any kind, where the type of its objects does not matter. */
// biome-ignore lint: variance makes a common supertype impossible
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyKind = Kind<any>

/** The objects of a kind. */
export type ObjectOf<K> = K extends Kind<infer T> ? T : never

/** `apps/v1`, or `v1` for the core group. */
export const apiVersionOf = (group: string, version: string): string => (group ? `${group}/${version}` : version)

/** Splits `apps/v1`. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/')
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}

/** Writes a kind down. */
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

/** `core.v1.Pod`: the package is the group's first word. */
function schemaName(group: string, version: string, kind: string): string {
  return `${group === '' ? 'core' : group.split('.')[0]}.${version}.${kind}`
}
