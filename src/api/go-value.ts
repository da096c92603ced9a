// Formats objects as Kubernetes shows them in problems: the JSON of its internal Go structs, with Go's names of fields,
// and with all fields, set or not.
// Source: apimachinery validation/field/errors.go (ErrorBody), pkg/apis/*/types.go.
import { Printed } from './path.ts'
import { plainZero } from './schema/decode.ts'
import { asGiven } from './schema/empties.ts'
import type { Json, JsonObject, Node, Struct } from './schema/node.ts'

type Read = JsonObject

/** A struct on one line, for a problem. An absent one is null. */
export const goStruct = (schema: Struct, value: object | undefined): Printed =>
  new Printed(value === undefined ? 'null' : escaped(JSON.stringify(goFields(schema, value as Read))))

/** A list of structs on one line, for a problem. */
export const goStructs = (schema: Struct, values: readonly object[] | undefined): Printed =>
  new Printed(values === undefined ? 'null' : escaped(JSON.stringify(values.map(v => goFields(schema, v as Read)))))

/** A struct on many lines, for a comparison. */
export const goLines = (schema: Struct, value: object): string[] =>
  escaped(JSON.stringify(goFields(schema, value as Read), null, 1)).split('\n')

/** Go escapes characters that could end a script in HTML. */
const escaped = (text: string) => text.replace(/[<>&]/g, c => `\\u00${c.charCodeAt(0).toString(16)}`)

function goFields(schema: Struct, value: Read): Json {
  // Metadata and selectors have no internal structs: their fields have JSON names, and zero values are left out.
  if (schema.name.startsWith('meta.')) return value as Json
  const out: JsonObject = {}
  for (const [name, node] of inOrder(schema)) {
    if (newer.has(`${schema.name}.${name}`)) continue
    const field = goValue(node, asGiven(value, name))
    // Metadata is embedded, so its fields are among those of the struct.
    if (name === 'metadata') Object.assign(out, field)
    else out[names[`${schema.name}.${name}`] ?? names[name] ?? capital(name)] = field
  }
  return out
}

/** Fields at another place in the internal struct than in the API: for each struct the field, and the one before it. */
const moved: Readonly<Record<string, readonly [field: string, behind: string]>> = {
  'core.v1.Volume': ['quobyte', 'rbd'],
}

function inOrder(schema: Struct): [string, Node][] {
  const fields = Object.entries(schema.fields)
  const move = moved[schema.name]
  if (!move) return fields
  const [from, behind] = move
  const rest = fields.filter(([name]) => name !== from)
  const place = rest.findIndex(([name]) => name === behind) + 1
  return rest.toSpliced(place, 0, [from, schema.fields[from]!])
}

function goValue(node: Node, value: Json | undefined): Json {
  if (value === undefined || value === null)
    return node.type === 'struct' && !node.optional ? goFields(node.struct!(), {}) : zero(node)
  switch (node.type) {
    case 'struct':
      return goFields(node.struct!(), value as Read)
    case 'list':
      return (value as Json[]).map(element => goValue(node.item!, element))
    case 'map':
      return Object.fromEntries(
        Object.entries(value as Read).map(([key, element]) => [key, goValue(node.item!, element)]),
      )
    default:
      return value as Json
  }
}

const zero = (node: Node): Json => (node.optional ? null : plainZero(node))

const capital = (name: string) => name.charAt(0).toUpperCase() + name.slice(1)

/** Names that differ from the JSON name with a capital letter; some are of one struct only. */
const names: Readonly<Record<string, string>> = {
  apiGroup: 'APIGroup',
  apiGroups: 'APIGroups',
  apiVersion: 'APIVersion',
  appArmorProfile: 'AppArmorProfile',
  awsElasticBlockStore: 'AWSElasticBlockStore',
  cel: 'CEL',
  cephfs: 'CephFS',
  chapAuthDiscovery: 'DiscoveryCHAPAuth',
  chapAuthSession: 'SessionCHAPAuth',
  cidr: 'CIDR',
  cidrs: 'CIDRs',
  csi: 'CSI',
  diskURI: 'DataDiskURI',
  dnsConfig: 'DNSConfig',
  dnsPolicy: 'DNSPolicy',
  fc: 'FC',
  fsGroup: 'FSGroup',
  fsGroupChangePolicy: 'FSGroupChangePolicy',
  fsType: 'FSType',
  gcePersistentDisk: 'GCEPersistentDisk',
  gmsaCredentialSpec: 'GMSACredentialSpec',
  gmsaCredentialSpecName: 'GMSACredentialSpecName',
  grpc: 'GRPC',
  hostPID: 'HostPID',
  httpGet: 'HTTPGet',
  httpHeaders: 'HTTPHeaders',
  id: 'ID',
  ip: 'IP',
  iqn: 'IQN',
  iscsi: 'ISCSI',
  nfs: 'NFS',
  nodeID: 'NodeID',
  nonResourceURLs: 'NonResourceURLs',
  openAPIV3Schema: 'OpenAPIV3Schema',
  os: 'OS',
  pdID: 'PdID',
  pdName: 'PDName',
  rbd: 'RBD',
  seLinuxChangePolicy: 'SELinuxChangePolicy',
  seLinuxOptions: 'SELinuxOptions',
  setHostnameAsFQDN: 'SetHostnameAsFQDN',
  sslEnabled: 'SSLEnabled',
  storageos: 'StorageOS',
  targetWWNs: 'TargetWWNs',
  tcpSocket: 'TCPSocket',
  tty: 'TTY',
  uid: 'UID',
  url: 'URL',
  wwids: 'WWIDs',
  'core.v1.GlusterfsPersistentVolumeSource.endpoints': 'EndpointsName',
  'core.v1.GlusterfsVolumeSource.endpoints': 'EndpointsName',
  'core.v1.RBDPersistentVolumeSource.image': 'RBDImage',
  'core.v1.RBDPersistentVolumeSource.monitors': 'CephMonitors',
  'core.v1.RBDPersistentVolumeSource.pool': 'RBDPool',
  'core.v1.RBDPersistentVolumeSource.user': 'RadosUser',
  'core.v1.RBDVolumeSource.image': 'RBDImage',
  'core.v1.RBDVolumeSource.monitors': 'CephMonitors',
  'core.v1.RBDVolumeSource.pool': 'RBDPool',
  'core.v1.RBDVolumeSource.user': 'RadosUser',
}

/** Fields that are newer than 1.36, whose messages these are. They are not shown. */
const newer = new Set([
  'core.v1.ConfigMapVolumeSource.defaultUser',
  'core.v1.DownwardAPIVolumeFile.user',
  'core.v1.DownwardAPIVolumeSource.defaultUser',
  'core.v1.EmptyDirVolumeSource.mode',
  'core.v1.GRPCAction.mode',
  'core.v1.HTTPGetAction.protocol',
  'core.v1.KeyToPath.user',
  'core.v1.ClusterTrustBundleProjection.user',
  'core.v1.PodCertificateProjection.user',
  'core.v1.ProjectedVolumeSource.defaultUser',
  'core.v1.SecretVolumeSource.defaultUser',
  'core.v1.ServiceAccountTokenProjection.user',
  'core.v1.VolumeMount.bindMountOptions',
])
