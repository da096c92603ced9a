// The file that chooses how objects are encrypted in the store: EncryptionConfiguration of apiserver.config.k8s.io/v1.
// Source: apiserver pkg/apis/apiserver/v1/types_encryption.go, pkg/apis/apiserver/validation.
import { parseYaml } from '../../base/yaml-file.ts'
import { type Fields, readFields } from '../../api/config-file.ts'
import { parseDuration } from '../../api/time.ts'
import { type CipherName, cipherNames, keyBytesOf, type NamedKey } from './provider.ts'

/** A provider as the file has it. */
export type ProviderSpec =
  | { readonly type: CipherName; readonly keys: readonly NamedKey[] }
  | { readonly type: 'kms'; readonly name: string; readonly socket: string; readonly timeoutMs: number }
  | { readonly type: 'identity' }

/** How some resources are stored: the first provider writes, all of them read. */
export interface EncryptionRule {
  /** `secrets`, `deployments.apps`, `*.apps`, `*.` for the group without a name, or `*.*`. */
  readonly resources: readonly string[]
  readonly providers: readonly ProviderSpec[]
}

/** Limits of one file. */
const maxKeys = 100
const defaultKmsTimeoutMs = 3000

const providerTypes = [...cipherNames, 'kms', 'identity'] as const

/** Reads the text of a file. Throws a StatusError that names the file and all fields with mistakes. */
export function parseEncryption(text: string, source: string): EncryptionRule[] {
  return readFields(parseYaml(text, source), source, root => {
    if (root.string('apiVersion') !== 'apiserver.config.k8s.io/v1')
      root.problem('apiVersion', 'must be apiserver.config.k8s.io/v1')
    if (root.string('kind') !== 'EncryptionConfiguration') root.problem('kind', 'must be EncryptionConfiguration')
    const rules = root.objects('resources').map(readRule)
    if (!rules.length) root.problem('resources', 'must not be empty')
    root.end()
    return rules
  })
}

function readRule(fields: Fields): EncryptionRule {
  const resources = fields.strings('resources').map(name => name.toLowerCase())
  resources.forEach((name, i) => {
    const at = `resources[${i}]`
    if (!/^([a-z0-9-]+|\*)(\.[a-z0-9.-]*|\.\*)?$/.test(name) || name === '*')
      fields.problem(at, `${JSON.stringify(name)} is no resource; use RESOURCE, RESOURCE.GROUP, *.GROUP, *. or *.*`)
    if (resources.indexOf(name) < i) fields.problem(at, `${JSON.stringify(name)} is there twice`)
  })
  if (!resources.length) fields.problem('resources', 'must not be empty')
  const providers = fields.objects('providers').flatMap(entry => readProvider(entry) ?? [])
  if (!providers.length) fields.problem('providers', 'must not be empty')
  fields.end()
  return { resources, providers }
}

function readProvider(fields: Fields): ProviderSpec | undefined {
  const named = providerTypes.filter(type => fields.names.includes(type))
  const [type] = named
  const one = type && fields.object(type)
  fields.end()
  if (!one || named.length > 1) {
    fields.problem('', `must be one of ${providerTypes.join(', ')}`)
    return undefined
  }
  const spec: ProviderSpec =
    type === 'identity' ? { type } : type === 'kms' ? readKms(one) : { type, keys: readKeys(type, one) }
  one.end()
  return 'keys' in spec && !spec.keys.length ? undefined : spec
}

function readKeys(type: CipherName, fields: Fields): NamedKey[] {
  const entries = fields.objects('keys')
  if (!entries.length) fields.problem('keys', 'must not be empty')
  if (entries.length > maxKeys) fields.problem('keys', `must be at most ${maxKeys}`)
  return entries.slice(0, maxKeys).map(entry => {
    const name = entry.required('name')
    if (name.includes(':')) entry.problem('name', 'must not contain a colon')
    const text = entry.required('secret')
    const secret = Buffer.from(text, 'base64')
    const sizes = keyBytesOf(type)
    // The text is not repeated in the message, since it is a secret.
    if (secret.toString('base64') !== text.trim()) entry.problem('secret', 'must be base64')
    else if (!sizes.includes(secret.length))
      entry.problem('secret', `must have ${sizes.join(', ')} bytes, not ${secret.length}`)
    entry.end()
    return { name, secret }
  })
}

function readKms(fields: Fields): ProviderSpec {
  if (fields.string('apiVersion', 'v1') !== 'v2') fields.problem('apiVersion', 'must be v2; KMS v1 is not supported')
  const name = fields.required('name')
  if (name.includes(':')) fields.problem('name', 'must not contain a colon')
  const endpoint = fields.required('endpoint')
  const socket = /^unix:\/\/(\/|@)(.+)$/.exec(endpoint)
  if (!socket) fields.problem('endpoint', 'must be a Unix socket, such as unix:///run/kms.sock')
  if (fields.has('cachesize')) fields.problem('cachesize', 'is not for KMS v2')
  const timeout = fields.string('timeout')
  const nanos = timeout === undefined ? defaultKmsTimeoutMs * 1e6 : parseDuration(timeout)
  if (nanos === undefined || nanos <= 0) fields.problem('timeout', 'must be a duration, such as 3s')
  const path = socket ? (socket[1] === '@' ? `@${socket[2]}` : `/${socket[2]}`) : ''
  return { type: 'kms', name, socket: path, timeoutMs: (nanos ?? 0) / 1e6 }
}
