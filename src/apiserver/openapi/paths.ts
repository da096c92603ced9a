// Makes the paths and operations of all resources for OpenAPI.
import type { AnyKind } from '../../api/kind.ts'
import { openAPIName } from '../../api/schema/build.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { subresourcesOf } from '../http/discovery.ts'
import type { Dialect } from './schemas.ts'

/** The media types of bodies and patches. Custom resources have no protobuf, and no strategic merge patch. */
interface MediaTypes {
  body: string[]
  patch: string[]
}

const all: MediaTypes = {
  body: ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'],
  patch: [
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/strategic-merge-patch+json',
    'application/apply-patch+yaml',
  ],
}
const ofCustom: MediaTypes = {
  body: ['application/json', 'application/yaml'],
  patch: all.patch.filter(type => !type.includes('strategic')),
}
const streams = new Set(['attach', 'exec', 'log', 'portforward', 'proxy'])
const actions: Record<string, string> = {
  create: 'post',
  get: 'get',
  list: 'list',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'deletecollection',
}
const methods: Record<string, string> = {
  create: 'post',
  get: 'get',
  list: 'get',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'delete',
}

const param = (name: string, type: string, description: string) => ({ name, in: 'query', type, description })
const dryRun = param(
  'dryRun',
  'string',
  'Stages of a dry run. The only allowed value is All: the request is fully processed, but nothing is stored.',
)
const fieldManager = param('fieldManager', 'string', 'Name of the manager that owns the fields that are written.')
const fieldValidation = param(
  'fieldValidation',
  'string',
  'What happens to unknown and duplicate fields: Ignore drops them, Warn drops them with a warning, Strict rejects the request.',
)
const force = param(
  'force',
  'boolean',
  'If true, an apply request takes over conflicting fields that other managers own.',
)
const listParams = [
  param(
    'allowWatchBookmarks',
    'boolean',
    'If true, a watch also sends bookmark events, which carry only a resource version.',
  ),
  param('continue', 'string', 'Token for the next page of a list, from the metadata of the previous page.'),
  param('fieldSelector', 'string', 'Selects objects by their fields. Defaults to all objects.'),
  param('labelSelector', 'string', 'Selects objects by their labels. Defaults to all objects.'),
  param(
    'limit',
    'integer',
    'Maximum number of objects to return. If there are more, the list contains a continue token.',
  ),
  param('resourceVersion', 'string', 'Resource version to list at or to watch from. See resourceVersionMatch.'),
  param('resourceVersionMatch', 'string', 'How resourceVersion applies to a list: Exact, or NotOlderThan.'),
  param('sendInitialEvents', 'boolean', 'If true, a watch begins with events for the objects that already exist.'),
  param('timeoutSeconds', 'integer', 'Seconds after which a list or watch ends.'),
  param('watch', 'boolean', 'If true, changes are sent as a stream of events instead of a list.'),
]
const deleteParams = [
  dryRun,
  param(
    'gracePeriodSeconds',
    'integer',
    'Seconds the object has to terminate gracefully. 0 deletes it immediately. Defaults to the kind’s own grace period.',
  ),
  param('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy. If true, dependents are kept.'),
  param(
    'propagationPolicy',
    'string',
    'What happens to dependents: Orphan keeps them, Background deletes them after the object is gone, Foreground deletes them first.',
  ),
]
const queryOf: Record<string, readonly JsonObject[]> = {
  get: [],
  list: listParams,
  create: [dryRun, fieldManager, fieldValidation],
  update: [dryRun, fieldManager, fieldValidation],
  patch: [dryRun, fieldManager, fieldValidation, force],
  delete: deleteParams,
  deletecollection: [...deleteParams, ...listParams],
}

/** The paths of kinds, with their operations. */
export function pathsOf(dialect: Dialect, kinds: readonly AnyKind[]): JsonObject {
  const paths: JsonObject = {}
  for (const kind of kinds.filter(k => k.plural)) {
    const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`
    const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`
    const has = (verb: string) => (kind.verbs as readonly string[]).includes(verb)
    const at = (path: string, verbs: string[], context: Partial<Context> = {}) => {
      const item = pathItem({ dialect, kind, path, ...context }, verbs)
      if (item) paths[path] = item
    }
    at(base, ['create', 'list', 'deletecollection'].filter(has))
    at(`${base}/{name}`, ['get', 'update', 'patch', 'delete'].filter(has))
    if (kind.namespaced && has('list')) at(`${root}/${kind.plural}`, ['list'], { allNamespaces: true })
    for (const [name, sub] of subresourcesOf(kind)) {
      if (streams.has(name)) continue
      at(`${base}/{name}/${name}`, [...sub.verbs], {
        subresource: name,
        body: { group: sub.group ?? kind.group, version: sub.version ?? kind.version, kind: sub.kind },
      })
    }
  }
  return paths
}

interface Context {
  dialect: Dialect
  kind: AnyKind
  path: string
  allNamespaces?: boolean
  subresource?: string
  body?: { group: string; version: string; kind: string }
}

function pathItem(context: Context, verbs: string[]): JsonObject | undefined {
  if (!verbs.length) return undefined
  const item: JsonObject = {}
  for (const verb of verbs) item[methods[verb]!] = operation(context, verb)
  item.parameters = [...context.path.matchAll(/\{(\w+)\}/g)].map(([, name]) =>
    typed(context.dialect, {
      name: name!,
      in: 'path',
      required: true,
      type: 'string',
      description: name === 'name' ? `Name of the ${context.kind.kind}.` : 'Namespace of the object.',
    }),
  )
  return item
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
const verbWords: Record<string, string> = { get: 'read', update: 'replace', deletecollection: 'deleteCollection' }

function operation(context: Context, verb: string): JsonObject {
  const { dialect, kind, subresource, allNamespaces } = context
  const gvk = context.body ?? { group: kind.group, version: kind.version, kind: kind.kind }
  const group = kind.group ? kind.group.split('.')[0]! : 'core'
  const scope = allNamespaces ? '' : kind.namespaced ? 'Namespaced' : ''
  const id = `${verbWords[verb] ?? verb}${capital(group)}${capital(kind.version)}${scope}${kind.kind}${subresource ? capital(subresource) : ''}${allNamespaces ? 'ForAllNamespaces' : ''}`
  const common = {
    description: `${verbWords[verb] ?? verb} ${kind.kind}`,
    operationId: id,
    tags: [`${group}_${kind.version}`],
    'x-kubernetes-action': actions[verb]!,
    'x-kubernetes-group-version-kind': gvk,
  }
  const schema =
    verb === 'list'
      ? `${kind.schema.name}List`
      : verb === 'delete' || verb === 'deletecollection'
        ? 'meta.v1.Status'
        : bodySchema(context)
  const types = kind.custom ? ofCustom : all
  const query = queryOf[verb]!.map(p => typed(dialect, p))
  const bodyName =
    verb === 'patch'
      ? 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch'
      : ['create', 'update'].includes(verb)
        ? openAPIName(bodySchema(context))
        : verb.startsWith('delete')
          ? openAPIName('meta.v1.DeleteOptions')
          : undefined
  const codes = verb === 'create' ? ['200', '201'] : ['200']
  if (dialect === 2) {
    const body = bodyName
      ? [
          {
            name: 'body',
            in: 'body',
            required: !verb.startsWith('delete'),
            schema: { $ref: `#/definitions/${bodyName}` },
          },
        ]
      : []
    const responses = Object.fromEntries(
      codes.map(code => [code, { description: 'OK', schema: { $ref: `#/definitions/${openAPIName(schema)}` } }]),
    )
    return {
      ...common,
      consumes: verb === 'patch' ? types.patch : types.body,
      produces: types.body,
      schemes: ['https'],
      parameters: [...body, ...query],
      responses,
    }
  }
  const content = (media: string[], name: string) =>
    Object.fromEntries(media.map(type => [type, { schema: { $ref: `#/components/schemas/${name}` } }]))
  const responses = Object.fromEntries(
    codes.map(code => [code, { description: 'OK', content: content(types.body, openAPIName(schema)) }]),
  )
  return {
    ...common,
    ...(query.length && { parameters: query }),
    ...(bodyName && { requestBody: { content: content(verb === 'patch' ? types.patch : types.body, bodyName) } }),
    responses,
  }
}

function bodySchema({ kind, body }: Context): string {
  if (!body || body.kind === kind.kind) return kind.schema.name
  return `${body.group ? body.group.split('.')[0] : 'core'}.${body.version}.${body.kind}`
}

function typed(dialect: Dialect, { type, ...rest }: JsonObject): JsonObject {
  return dialect === 2
    ? { ...rest, type: type!, uniqueItems: true }
    : { ...rest, schema: { type: type!, uniqueItems: true } }
}
