// Drafts src/kinds from the facts about Kubernetes (OpenAPI document and field table) in a directory given as
// the argument. It was run once; what it wrote is finished by hand, so it only writes files that do not exist.
// With --check it writes nothing and lists the kinds that are missing.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const facts = process.argv[2]
if (!facts) throw new Error('usage: tools/node tools/draft-kinds.ts FACTS_DIR')
type Field = {
  proto?: number
  protoType?: string
  repeated?: boolean
  go?: string
  omitempty?: boolean
  omitzero?: boolean
  markers?: string[]
}
type Message = Record<string, Field | string[]>
const messages = JSON.parse(readFileSync(join(facts, 'fields.json'), 'utf8')) as Record<string, Message>
const openapi = JSON.parse(readFileSync(join(facts, 'openapi-v1.36.json'), 'utf8'))
const enums = messages['(enums)'] as unknown as Record<string, { values: string[]; closed?: boolean }>

const metaPackage = 'k8s.io.apimachinery.pkg.apis.meta.v1'
const groupPackages: Record<string, string> = {
  'apiextensions.k8s.io/v1': 'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1',
  'apiregistration.k8s.io/v1': 'k8s.io.kube_aggregator.pkg.apis.apiregistration.v1',
}
const packageOf = (gv: string) =>
  groupPackages[gv] ??
  `k8s.io.api.${gv === 'v1' ? 'core/v1' : gv.split('/')[0]!.split('.')[0] + '/' + gv.split('/')[1]}`.replace('/', '.')

interface Row {
  gv: string
  plural: string
  kind: string
  scope: string
  short: string[]
  verbs: string[]
  subs: string[]
  all: boolean
}
const rows: Row[] = []
for (const line of readFileSync(join(facts, 'resources.md'), 'utf8').split('\n')) {
  const cells = line.split('|').map(c => c.trim())
  if (cells.length < 9 || !/^([a-z0-9.]+\/)?v1$|\/v2$/.test(cells[1]!)) continue
  const [, gv, resource, kind, scope, short, verbs, subs] = cells as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const names = [...subs.matchAll(/(?:^|; )([a-z]+)/g)].map(m => m[1]!)
  rows.push({
    gv,
    kind,
    scope,
    plural: resource.split(' ')[0]!,
    all: resource.includes('category all'),
    short: short ? short.split(',') : [],
    verbs: verbs.startsWith('full')
      ? []
      : verbs
          .replace(/\(.*/, '')
          .split(',')
          .map(v => v.trim())
          .filter(Boolean),
    subs: names,
  })
}
// Kinds that are only bodies of subresources.
const bodies: [string, string][] = [
  ['policy/v1', 'Eviction'],
  ['autoscaling/v1', 'Scale'],
  ['authentication.k8s.io/v1', 'TokenRequest'],
]
for (const [gv, kind] of bodies)
  rows.push({ gv, kind, plural: '', scope: 'Namespaced', short: [], verbs: ['create'], subs: [], all: false })

// ---- which message lives in which file
const kindOf = new Map(rows.map(r => [`${packageOf(r.gv)}.${r.kind}`, r]))
const special: Record<string, string> = {
  'k8s.io.apimachinery.pkg.api.resource.Quantity': 'quantity',
  [`${metaPackage}.Time`]: 'time',
  [`${metaPackage}.MicroTime`]: 'microTime',
  [`${metaPackage}.Duration`]: 'duration',
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': 'intOrString',
  'k8s.io.apimachinery.pkg.runtime.RawExtension': 'json',
  [`${metaPackage}.FieldsV1`]: 'json',
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON': 'json',
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps': 'json',
}
const coreFiles: [RegExp, string][] = [
  [
    /^(PodSpec|PodSecurityContext|PodDNSConfig.*|HostAlias|PodOS|PodSchedulingGate|PodReadinessGate|PodResourceClaim|Sysctl|PodSchedulingGroup|WorkloadReference)$/,
    'podspec',
  ],
  [
    /^(TopologySpreadConstraint|(Node|Pod|VolumeNode)?(Anti)?Affinity(Term)?|PodAntiAffinity|WeightedPodAffinityTerm|PreferredSchedulingTerm|NodeSelector.*|TopologySelector.*|Toleration)$/,
    'affinity',
  ],
  [
    /^(PodStatus|PodCondition|PodIP|HostIP|Container(State.*|Status|User)|LinuxContainerUser|ResourceStatus|ResourceHealth|VolumeMountStatus|PodResourceClaimStatus|PodExtendedResourceClaimStatus|ContainerExtendedResourceRequest|ImageVolumeStatus|VolumeStatus|PodVolumeHealth|VolumeHealth.*|PodSchedulingGroupStatus|NodeAllocatable.*)$/,
    'podstatus',
  ],
  [
    /^(Container|EphemeralContainer.*|ContainerPort|ContainerResizePolicy|ContainerRestartRule.*|EnvVar|EnvVarSource|EnvFromSource|ConfigMapEnvSource|SecretEnvSource|FileKeySelector|VolumeMount|VolumeDevice|ResourceRequirements|ResourceClaim)$/,
    'container',
  ],
  [
    /^(SecurityContext|Capabilities|SELinuxOptions|WindowsSecurityContextOptions|SeccompProfile|AppArmorProfile)$/,
    'securitycontext',
  ],
  [/^(Probe|ProbeHandler|.*Action|Lifecycle|LifecycleHandler|HTTPHeader)$/, 'probe'],
  [/^(PersistentVolumeSource|.*PersistentVolumeSource)$/, 'persistentvolumesource'],
  [/^(PersistentVolumeClaimStatus|PersistentVolumeClaimCondition|ModifyVolumeStatus)$/, 'persistentvolumeclaim'],
  [/^PersistentVolumeSpec$/, 'persistentvolume'],
  [/^EventSource$/, 'event'],
  [
    /^(Volume|VolumeSource|.*VolumeSource|.*Projection|KeyToPath|ObjectFieldSelector|ResourceFieldSelector|DownwardAPIVolumeFile|PersistentVolumeClaimTemplate)$/,
    'volume',
  ],
  [/^(PersistentVolumeClaimSpec|TypedObjectReference|VolumeResourceRequirements)$/, 'persistentvolumeclaimspec'],
  [
    /^(LocalObjectReference|ObjectReference|SecretReference|TypedLocalObjectReference|SecretKeySelector|ConfigMapKeySelector)$/,
    'reference',
  ],
  [/^(PodTemplateSpec)$/, 'podtemplatespec'],
]
const split = (full: string) => ({
  pkg: full.slice(0, full.lastIndexOf('.')),
  name: full.slice(full.lastIndexOf('.') + 1),
})
const folderOf = (pkg: string) =>
  pkg === metaPackage
    ? 'meta'
    : pkg.includes('apiextensions')
      ? 'apiextensions'
      : pkg.includes('aggregator')
        ? 'apiregistration'
        : pkg.split('.').at(-2)!
function resolve(pkg: string, type: string): string {
  const t = type.replace(/^\./, '')
  return t.includes('.') ? t : `${pkg}.${t}`
}
const fieldEntries = (full: string) =>
  Object.entries(messages[full] ?? {}).filter(([k]) => k !== '(inline)' && k !== '-') as [string, Field][]
function mapValue(t: string) {
  return /^map<string, (.*)>$/.exec(t)?.[1]
}
const isMessage = (t: string) => /^\.?[A-Z]|\./.test(t)
const isWrapper = (full: string) => ['ExtraValue', 'Verbs', 'AttestationValue'].includes(split(full).name)
function references(full: string): string[] {
  const { pkg } = split(full)
  return fieldEntries(full).flatMap(([, f]) => {
    const t = f.protoType && (mapValue(f.protoType) ?? f.protoType)
    if (!t || !isMessage(t)) return []
    const target = resolve(pkg, t)
    return special[target] || isWrapper(target) ? [] : [target]
  })
}
const users = new Map<string, Set<string>>()
function mark(full: string, user: string) {
  const set = users.get(full) ?? new Set()
  if (set.has(user)) return
  set.add(user)
  users.set(full, set)
  for (const target of references(full)) mark(target, user)
}
for (const full of kindOf.keys())
  if (messages[full]) mark(full, full)
  else console.error('no message for', full)
const kebab = (row: Row) => row.kind.toLowerCase() + (row.gv.endsWith('/v2') ? '-v2' : '')
function fileOf(full: string): string {
  const { pkg, name } = split(full)
  const folder = folderOf(pkg)
  const row = kindOf.get(full)
  if (row) return `${folder}/${kebab(row)}.ts`
  if (folder === 'core') for (const [pattern, file] of coreFiles) if (pattern.test(name)) return `core/${file}.ts`
  const by = [...users.get(full)!]
  if (by.length === 1) return `${folder}/${kebab(kindOf.get(by[0]!)!)}.ts`
  return `${folder}/${folder === 'batch' ? 'jobspec' : 'types'}${pkg.endsWith('.v2') ? '-v2' : ''}.ts`
}

// ---- order of fields: Go's, read off the fully populated objects
const orders = new Map<string, string[]>()
function learn(full: string, value: unknown) {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const v of value) learn(full, v)
    return
  }
  const known = orders.get(full) ?? []
  const keys = Object.keys(value)
  if (keys.length > known.length) orders.set(full, keys)
  const fields = jsonFields(full)
  for (const viaType of new Set(fields.flatMap(f => f.viaType ?? [])))
    orders.set(
      viaType,
      keys.filter(k => fields.some(f => f.name === k && f.viaType === viaType)),
    )
  for (const { name, field, owner } of fields) {
    const v = (value as Record<string, unknown>)[name]
    const t = field.protoType && (mapValue(field.protoType) ?? field.protoType)
    if (v === undefined || !t || !isMessage(t)) continue
    const target = resolve(split(owner).pkg, t)
    if (special[target]) continue
    if (mapValue(field.protoType!)) for (const e of Object.values(v as object)) learn(target, e)
    else learn(target, v)
  }
}
/** The fields as JSON shows them; inlined structs expanded. */
function jsonFields(full: string): { name: string; field: Field; owner: string; via?: number; viaType?: string }[] {
  const out: { name: string; field: Field; owner: string; via?: number; viaType?: string }[] = []
  const entries = fieldEntries(full)
  for (const [name, f] of entries) {
    if (
      f.protoType &&
      !f.go &&
      isMessage(f.protoType) &&
      ((messages[full]!['(inline)'] as string[] | undefined) ?? []).some(i => i.split('.').at(-1) === f.protoType)
    ) {
      const target = resolve(split(full).pkg, f.protoType)
      for (const inner of jsonFields(target)) out.push({ ...inner, via: f.proto!, viaType: target })
      continue
    }
    if (!f.go && f.protoType) {
      // The protobuf name differs from the JSON name: merge the two halves.
      const half = entries.find(([n, g]) => g.go && !g.protoType && n.toLowerCase() === name.toLowerCase())
      if (half) {
        out.push({ name: half[0], field: { ...f, ...half[1] }, owner: full })
        continue
      }
      out.push({ name, field: f, owner: full })
      continue
    }
    if (f.protoType) out.push({ name, field: f, owner: full })
  }
  return out
}
for (const file of readdirSync(join(facts, 'roundtrip')).filter(f => f.endsWith('.json'))) {
  const m = /^(.+)\.(v\d+)\.([A-Za-z]+)\.json$/.exec(file)
  if (!m) continue
  const gv = m[1] === 'core' ? 'v1' : `${m[1]}/${m[2]}`
  learn(`${packageOf(gv)}.${m[3]}`, JSON.parse(readFileSync(join(facts, 'roundtrip', file), 'utf8')))
}

// ---- writing nodes
const openName = (full: string) =>
  'io.' +
  full.replace('apiextensions_apiserver', 'apiextensions-apiserver').replace('kube_aggregator', 'kube-aggregator')
const shortName = (full: string) =>
  `${folderOf(split(full).pkg)}.${split(full).pkg.split('.').at(-1)}.${split(full).name}`
const used = new Map<string, Map<string, Set<string>>>()
function use(file: string, from: string, name: string) {
  const map = used.get(file) ?? new Map<string, Set<string>>()
  used.set(file, map)
  map.set(from, (map.get(from) ?? new Set()).add(name))
}
function nodeText(file: string, full: string, name: string, f: Field, owner: string): string {
  const definition = openapi.definitions[openName(full)]
  const schema = definition?.properties?.[name] ?? {}
  const required = definition ? (definition.required ?? []).includes(name) : (f.markers ?? []).includes('required')
  const pointer = f.go?.startsWith('*') ?? false
  const options: string[] = []
  if (f.proto) options.push(`proto: ${f.proto}`)
  const mapped = mapValue(f.protoType!)
  const target = isMessage(mapped ?? f.protoType!) ? resolve(split(owner).pkg, mapped ?? f.protoType!) : undefined
  const kind = target ? (special[target] ?? (isWrapper(target) ? 'wrapper' : 'struct')) : undefined
  const collection = f.repeated || mapped || kind === 'wrapper'
  // By-value Go structs ignore omitempty.
  const structLike = !collection && kind !== undefined && !pointer
  if (pointer && kind !== 'struct') options.push('optional: true')
  else if (!pointer && (!f.omitempty || (structLike && kind !== 'struct')) && !f.omitzero && kind !== 'struct')
    options.push('always: true')
  else if (!pointer && !f.omitempty && collection) options.push('always: true')
  if (required) options.push('required: true')
  const marker = (f.markers ?? []).find(m => m.startsWith('default='))
  if (marker) {
    const text = marker.slice(8)
    if (/^("[^"]*"|\d+|true|false)$/.test(text)) options.push(`default: ${text.replaceAll('"', "'")}`)
  }
  const e =
    enums[
      `${split(owner).pkg}.${f.go
        ?.replace(/^\*|^\[\]/, '')
        .split('.')
        .at(-1)}`
    ]
  if (e?.closed && !f.repeated && !mapped) options.push(`enum: [${e.values.map(v => `'${v}'`).join(', ')}]`)
  if (schema['x-kubernetes-map-type'] === 'atomic') options.push('atomic: true')
  if (schema.format && !['int32', 'int64', 'double', 'date-time', 'byte'].includes(schema.format))
    options.push(`format: '${schema.format}'`)
  const scalar = (t: string) =>
    ({ string: 'string', bool: 'bool', int32: 'int32', int64: 'int64', double: 'double', bytes: 'bytes' })[t]!
  const word = (w: string) => (use(file, 'api/schema/build.ts', w), w)
  const item = () => {
    if (kind === 'struct') return ref(file, target!)
    if (kind === 'wrapper') return `${word('list')}(${word('string')}({}), { wrapped: true })`
    const s = kind ?? scalar(mapped ?? f.protoType!)
    return `${word(s)}({})`
  }
  const o = () => `{ ${options.join(', ')} }`
  if (mapped) return `${word('map')}(${item()}, ${o()})`
  if (kind === 'wrapper') {
    options.push('wrapped: true')
    return `${word('list')}(${word('string')}({}), ${o()})`
  }
  if (f.repeated) {
    const mergeKey =
      schema['x-kubernetes-patch-merge-key'] ?? (f.markers ?? []).find(m => m.startsWith('patchMergeKey='))?.slice(14)
    const strategy =
      schema['x-kubernetes-patch-strategy'] ??
      (f.markers ?? []).find(m => m.startsWith('patchStrategy='))?.slice(14) ??
      ''
    if (mergeKey) options.push(`mergeKey: '${mergeKey}'`)
    else if (strategy.includes('merge')) options.push(`mergeKey: ''`)
    if (strategy.includes('retainKeys')) options.push('retainKeys: true')
    const listType =
      schema['x-kubernetes-list-type'] ?? (f.markers ?? []).find(m => m.startsWith('listType='))?.slice(9)
    const keys: string[] =
      schema['x-kubernetes-list-map-keys'] ??
      (f.markers ?? []).filter(m => m.startsWith('listMapKey=')).map(m => m.slice(11))
    if (listType === 'map' && keys.length) {
      const k = keys.length === 1 ? `'${keys[0]}'` : `[${keys.map(x => `'${x}'`).join(', ')}]`
      return `${word('listByKey')}(${k}, ${item()}, ${o()})`
    }
    if (listType === 'set') options.push(`listType: 'set'`)
    return `${word('list')}(${item()}, ${o()})`
  }
  if (kind === 'struct') {
    const strategy = (f.markers ?? []).find(m => m.startsWith('patchStrategy='))?.slice(14) ?? ''
    if (strategy.includes('retainKeys')) options.push('retainKeys: true')
    if (!pointer && f.omitzero) options.push('omitZero: true')
    return `${ref(file, target!)}.${pointer ? 'field' : 'value'}(${o()})`
  }
  return `${word(kind ?? scalar(f.protoType!))}(${o()})`
}
function ref(file: string, target: string): string {
  const other = target.startsWith(metaPackage) ? 'api/meta.ts' : `kinds/${fileOf(target)}`
  const name = split(target).name
  if (other !== `kinds/${file}`) use(file, other, name)
  return kindOf.has(target) ? `${name}.schema` : name
}
function structFields(file: string, full: string): string {
  const order = orders.get(full)
  const fields = jsonFields(full)
  if (order) fields.sort((a, b) => (order.indexOf(a.name) + 1 || 999) - (order.indexOf(b.name) + 1 || 999))
  const lines: string[] = []
  const done = new Set<string>()
  for (const { name, field, owner, via, viaType } of fields) {
    if (kindOf.has(full) && name === 'metadata') continue
    if (viaType) {
      if (done.has(viaType)) continue
      done.add(viaType)
      use(file, 'api/schema/build.ts', 'inline')
      lines.push(`    ...inline(${ref(file, viaType)}, ${via}),`)
      continue
    }
    lines.push(
      `    ${/^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`}: ${nodeText(file, full, name, field, owner)},`,
    )
  }
  return lines.join('\n')
}
const files = new Map<string, string[]>()
for (const full of users.keys())
  if (split(full).pkg !== metaPackage)
    (files.get(fileOf(full)) ?? files.set(fileOf(full), []).get(fileOf(full))!).push(full)
for (const [file, list] of files) {
  const sorted: string[] = []
  const visit = (full: string) => {
    if (sorted.includes(full) || !list.includes(full)) return
    for (const target of references(full)) visit(target)
    sorted.push(full)
  }
  list.forEach(visit)
  const body = sorted.map(full => {
    const row = kindOf.get(full)
    const { name } = split(full)
    use(file, 'api/kind.ts', 'type Of')
    if (!row) {
      use(file, 'api/schema/build.ts', 'struct')
      const atomic =
        openapi.definitions[openName(full)]?.['x-kubernetes-map-type'] === 'atomic' ? ', { atomic: true }' : ''
      return `export const ${name} = struct('${shortName(full)}', '', {\n${structFields(file, full)}\n}${atomic})\nexport type ${name} = Of<typeof ${name}>\n`
    }
    use(file, 'api/kind.ts', 'defineKind')
    const group = row.gv.includes('/') ? row.gv.split('/')[0]! : ''
    const subs = row.subs.filter(s => !['status', 'scale'].includes(s))
    const quoteAll = (a: string[]) => `[${a.map(x => `'${x}'`).join(', ')}]`
    return `export const ${name} = defineKind({
  group: '${group}', version: '${row.gv.split('/').at(-1)}', kind: '${row.kind}', plural: '${row.plural}', scope: '${row.scope}',
${row.short.length ? `  shortNames: ${quoteAll(row.short)},\n` : ''}${row.all ? `  categories: ['all'],\n` : ''}${row.verbs.length ? `  verbs: ${quoteAll(row.verbs)},\n` : ''}${subs.length ? `  subresources: ${quoteAll(subs)},\n` : ''}${row.subs.includes('status') ? '  status: true,\n' : ''}${row.subs.includes('scale') ? `  scale: { spec: '.spec.replicas', status: '.status.replicas', selector: '.spec.selector' },\n` : ''}  doc: '',
  fields: {
${structFields(file, full)}
  },
})
export type ${name} = Of<typeof ${name}>
`
  })
  const target = join('src/kinds', file)
  if (existsSync(target)) continue
  mkdirSync(dirname(target), { recursive: true })
  const imports = [...used.get(file)!].sort().map(([from, names]) => {
    const path = relative(dirname(join('src/kinds', file)), join('src', from))
    if ([...names].join() === 'type Of') return `import type { Of } from '${path.startsWith('.') ? path : `./${path}`}'`
    return `import { ${[...names].sort().join(', ')} } from '${path.startsWith('.') ? path : `./${path}`}'`
  })
  writeFileSync(target, `// DESCRIBE\n${imports.join('\n')}\n\n${body.join('\n')}`)
}
// ---- meta: printed for src/api/meta.ts
if (process.argv[3] === '--meta') {
  const metas = [...users.keys()].filter(u => split(u).pkg === metaPackage)
  const sorted: string[] = []
  const visit = (full: string) => {
    if (sorted.includes(full) || !metas.includes(full)) return
    for (const t of references(full)) visit(t)
    sorted.push(full)
  }
  metas.forEach(visit)
  for (const extra of ['ListMeta', 'Status', 'DeleteOptions', 'StatusDetails', 'StatusCause', 'Preconditions'])
    for (const t of [`${metaPackage}.${extra}`])
      if (!sorted.includes(t)) {
        mark(t, 'x')
        sorted.push(t)
      }
  for (const full of sorted)
    console.log(
      `export const ${split(full).name} = struct('${shortName(full)}', '', {\n${structFields('meta', full)}\n}${openapi.definitions[openName(full)]?.['x-kubernetes-map-type'] === 'atomic' ? ', { atomic: true }' : ''})\nexport type ${split(full).name} = Of<typeof ${split(full).name}>\n`,
    )
}
console.log(`${rows.length} kinds in ${files.size} files`)
