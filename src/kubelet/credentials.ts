// Completes image names with their defaults, and finds the entries of a Docker configuration that apply to an image.
// Source: distribution/reference; kubernetes pkg/credentialprovider/keyring.go.
import type { AuthConfig } from './runtime/runtime.ts'

const namePattern =
  /^(?:(?<host>(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[a-fA-F0-9:]+\])(?::\d+)?)\/)?(?<path>[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*)(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?<digest>sha256:[a-f0-9]{64}))?$/

/** The full name of an image: `docker.io/library/busybox:latest` for `busybox`. Undefined for an invalid name. */
export function normalizeImage(image: string): string | undefined {
  let { host, path, tag, digest } = namePattern.exec(image)?.groups ?? {}
  if (!path) return undefined
  if (host && !/[.:]/.test(host) && host !== 'localhost') {
    if (host.toLowerCase() !== host) return undefined
    path = `${host}/${path}`
    host = undefined
  }
  if (!host || host === 'index.docker.io') host = 'docker.io'
  if (host === 'docker.io' && !path.includes('/')) path = `library/${path}`
  return `${host}/${path}${digest ? `@${digest}` : `:${tag ?? 'latest'}`}`
}

interface Entry {
  username?: string
  password?: string
  auth?: string
  identitytoken?: string
}

/** The credentials whose registry and path cover the image, the most specific first. */
export function credentialsFor(image: string, configs: readonly string[]): AuthConfig[] {
  const found: { key: string; auth: AuthConfig }[] = []
  for (const text of configs) {
    // The API server checks that it is JSON, and not what it says.
    const parsed = JSON.parse(text) as ({ auths?: Record<string, Entry> } & Record<string, Entry>) | null
    for (const [registry, entry] of Object.entries(parsed?.auths ?? parsed ?? {})) {
      if (typeof entry !== 'object' || entry === null) continue
      const key = registry.replace(/^https?:\/\//, '').replace(/\/(v1|v2)?\/?$/, '')
      if (covers(key === 'index.docker.io' ? 'docker.io' : key, image)) found.push({ key, auth: authOf(entry) })
    }
  }
  return found.sort((a, b) => b.key.length - a.key.length).map(f => f.auth)
}

function covers(key: string, image: string): boolean {
  const [keyHost = '', ...keyPath] = key.split('/')
  const [host = '', ...path] = image.split('/')
  const pattern = keyHost.split('.')
  const labels = host.split('.')
  // A star stands for one label of the host name.
  const hosts =
    pattern.length === labels.length &&
    pattern.every(
      (label, i) =>
        label === labels[i] ||
        new RegExp(`^${label.replace(/[^*\w:-]/g, '\\$&').replaceAll('*', '[^.]*')}$`).test(labels[i]!),
    )
  return hosts && (!keyPath.length || path.join('/').startsWith(keyPath.join('/')))
}

// There is no server address: containerd would read it as a URL, and not send credentials for docker.io to
// registry-1.docker.io.
function authOf(entry: Entry): AuthConfig {
  const [user = '', ...password] = entry.auth ? Buffer.from(entry.auth, 'base64').toString().split(':') : []
  return {
    username: entry.username ?? user,
    password: entry.password ?? password.join(':'),
    identityToken: entry.identitytoken ?? '',
  }
}

/**
 * The Docker configuration in a pull secret of either type. Only of secrets of these types has the API server made sure
 * that it is JSON.
 */
export function dockerConfigOf(secret: {
  readonly type?: string | undefined
  readonly data?: Readonly<Record<string, string>> | undefined
}): string | undefined {
  const data = secret.data?.[keyOfType[secret.type ?? ''] ?? '']
  return data === undefined ? undefined : Buffer.from(data, 'base64').toString()
}

const keyOfType: Readonly<Record<string, string>> = {
  'kubernetes.io/dockercfg': '.dockercfg',
  'kubernetes.io/dockerconfigjson': '.dockerconfigjson',
}
